package config

import (
	"slices"

	"error-check-gate/internal/codec"
)

// Codec holds the settings of 'gate codec'.
type Codec struct {
	Log
	Payloads
	TemporalUI
	TLS
	CodecListen
	// CodecToken is the token that each request must carry as "Authorization: Bearer TOKEN". If
	// it is empty, requests need no token. That is for loopback only.
	CodecToken Secret `env:"CODEC_TOKEN" hint:"a random text of at least 16 bytes"`
	// CodecAllowedOrigins lists the origins of pages that may send requests from a browser. The
	// origin of TemporalUIURL always may.
	CodecAllowedOrigins []string `env:"CODEC_ALLOWED_ORIGINS" hint:"origins separated by commas, such as https://temporal.example.com"`
}

// Options returns the options of the codec server.
func (c *Codec) Options() codec.ServerOptions {
	origins := slices.Clone(c.CodecAllowedOrigins)
	if u := c.TemporalUIURL; u != nil {
		origins = append(origins, u.Scheme+"://"+u.Host)
	}
	return codec.ServerOptions{
		Keys: c.keys, Addr: c.CodecListenAddr, Token: string(c.CodecToken), Origins: origins,
		TLSCertFile: c.TLSCertFile, TLSKeyFile: c.TLSKeyFile,
	}
}

// codecVariables maps each field of [codec.ServerOptions] to the variable that sets it.
var codecVariables = map[string]string{
	"Addr": "CODEC_LISTEN_ADDR", "Token": "CODEC_TOKEN", "Origins": "CODEC_ALLOWED_ORIGINS",
	"TLSCertFile": "TLS_CERT_FILE", "TLSKeyFile": "TLS_KEY_FILE",
}

func (c *Codec) validate(f *Faults) {
	c.Payloads.validate(f)
	if !c.Payloads.isSet() {
		f.add("PAYLOAD_KEYS", "is not set: write the keys that ingress and worker have, "+
			"or name the file that holds them in PAYLOAD_KEYS_FILE")
	}
	checkAddr(f, "CODEC_LISTEN_ADDR", c.CodecListenAddr)
	options := c.Options()
	f.addAll(options.Faults(), codecVariables)
}
