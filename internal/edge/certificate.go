package edge

import (
	"crypto/tls"
	"log/slog"
	"time"

	"error-check-gate/internal/reload"
)

// Certificate is a TLS certificate that is read again when its files change. If only one of the two
// files has been replaced, the pair doesn't match and the previous pair stays in use.
type Certificate struct {
	pair *reload.Value[*tls.Certificate]
}

// OpenCertificate reads a certificate and its key, both in PEM. A nil now is time.Now.
func OpenCertificate(
	certFile, keyFile string, logger *slog.Logger, now func() time.Time,
) (*Certificate, error) {
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
	return &Certificate{pair: pair}, nil
}

// TLSConfig returns the settings of a server that presents the certificate, with TLS 1.2 or later.
func (c *Certificate) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.pair.Get(), nil
		},
	}
}
