package ingress

import (
	"crypto/tls"
	"log/slog"
	"time"

	"error-check-gate/internal/reload"
)

// certificate is the server's, read again when its files change. While only
// one of the two has been replaced they do not fit, and the pair from before stays.
type certificate struct {
	pair *reload.Value[*tls.Certificate]
}

func openCertificate(certFile, keyFile string, logger *slog.Logger, now func() time.Time) (*certificate, error) {
	pair, err := reload.Open(reload.Files{
		What: "TLS certificate and key", Paths: []string{certFile, keyFile}, Logger: logger, Now: now,
	}, func(contents [][]byte) (*tls.Certificate, error) {
		pair, err := tls.X509KeyPair(contents[0], contents[1])
		if err != nil {
			return nil, err
		}
		return &pair, nil
	})
	if err != nil {
		return nil, err
	}
	return &certificate{pair: pair}, nil
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.pair.Get(), nil },
	}
}
