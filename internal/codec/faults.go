package codec

import (
	"net"
	"net/url"

	"error-check-gate/internal/edge"
	"error-check-gate/internal/localonly"
	"error-check-gate/internal/option"
)

// minToken is the minimum length of a token, in bytes. Nobody can guess a random token of this
// length over the network.
const minToken = 16

// Faults returns everything that is wrong with the options.
func (o *ServerOptions) Faults() option.Faults {
	faults := edge.CertificateFaults(o.TLSCertFile, o.TLSKeyFile)
	host, _, err := net.SplitHostPort(o.Addr)
	switch {
	case o.Token != "" && len(o.Token) < minToken:
		faults.Add("Token", "has %d bytes and needs %d: make one with 'openssl rand -hex 32'",
			len(o.Token), minToken)
	case o.Token == "" && err == nil && !localonly.Host(host):
		faults.Add("Token", "is not set, and other machines can reach {Addr}=%s, "+
			"so anybody there could read every order: set a token, or listen on 127.0.0.1", o.Addr)
	}
	for _, origin := range o.Origins {
		switch u, err := url.Parse(origin); {
		case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
			faults.Add("Origins", "%s is not an origin: write one such as https://temporal.example.com",
				option.Quote(origin))
		case origin != u.Scheme+"://"+u.Host:
			faults.Add("Origins", "%s is not an origin: write %s",
				option.Quote(origin), u.Scheme+"://"+u.Host)
		}
	}
	return faults
}
