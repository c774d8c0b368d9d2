package edge

import (
	"crypto/tls"

	"error-check-gate/internal/nowait"
	"error-check-gate/internal/option"
)

// CertificateFaults returns what is wrong with the files of a certificate and its key. Both may be
// empty, for a server without TLS. The fields are TLSCertFile and TLSKeyFile.
func CertificateFaults(certFile, keyFile string) option.Faults {
	var faults option.Faults
	switch {
	case certFile == "" && keyFile == "":
		return nil
	case keyFile == "":
		faults.Add("TLSKeyFile", "is not set, and {TLSCertFile} is: "+
			"set both, or neither if a proxy ends TLS")
		return faults
	case certFile == "":
		faults.Add("TLSCertFile", "is not set, and {TLSKeyFile} is: "+
			"set both, or neither if a proxy ends TLS")
		return faults
	}
	certificate, err := nowait.ReadSmallFile(certFile)
	faults.AddError("TLSCertFile", err)
	key, err := nowait.ReadSmallFile(keyFile)
	faults.AddError("TLSKeyFile", err)
	if len(faults) > 0 {
		return faults
	}
	if _, err := tls.X509KeyPair(certificate, key); err != nil {
		faults.Add("TLSCertFile", "does not match {TLSKeyFile}: %v", err)
	}
	return faults
}
