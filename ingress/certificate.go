package ingress

import (
	"crypto/tls"
	"log/slog"
	"time"
)

// certificate is the server's, read again when its files change. While only
// one of the two has been replaced they do not fit, and the pair from before stays.
type certificate struct {
	pair *reloaded[*tls.Certificate]
}

func openCertificate(certFile, keyFile string, logger *slog.Logger, now func() time.Time) (*certificate, error) {
	pair, err := newReloaded("TLS certificate and key", []string{certFile, keyFile}, func(contents [][]byte) (*tls.Certificate, error) {
		pair, err := tls.X509KeyPair(contents[0], contents[1])
		if err != nil {
			return nil, err
		}
		return &pair, nil
	}, logger, now)
	if err != nil {
		return nil, err
	}
	return &certificate{pair: pair}, nil
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.pair.get(), nil },
	}
}
