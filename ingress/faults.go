package ingress

import (
	"os"
	"path/filepath"

	"error-check-gate/internal/edge"
	"error-check-gate/internal/option"
)

// Faults returns everything that is wrong with options that come from settings. It refuses limits
// below 1, although [New] takes 0 for no limit: no setting may switch a limit off.
func (o *Options) Faults() option.Faults {
	faults := edge.CertificateFaults(o.TLSCertFile, o.TLSKeyFile)
	for _, limit := range []struct {
		field string
		value float64
	}{
		{"RateLimit", o.RateLimit},
		{"PeerRateLimit", o.PeerRateLimit},
		{"PeerFailureLimit", o.PeerFailureLimit},
		{"MaxConnections", float64(o.MaxConnections)},
		{"PeerMaxConnections", float64(o.PeerMaxConnections)},
	} {
		if limit.value < 1 {
			faults.Add(limit.field, "%v is too small: write 1 or more", limit.value)
		}
	}
	return faults
}

// Faults returns everything that is wrong with the options at the start. A disk that fails later
// stops nothing: the audit log counts the lost lines.
func (o *AuditOptions) Faults() option.Faults {
	var faults option.Faults
	if o.Keep < 1 {
		faults.Add("Keep", "%d is too small: write 1 or more", o.Keep)
	}
	if o.Target == AuditOff || o.Target == AuditStdout {
		return faults
	}
	if isFolder(o.Target) {
		faults.Add("Target", "%s is a folder: write off, stdout or the path of a file", o.Target)
	} else if folder := filepath.Dir(o.Target); !isFolder(folder) {
		faults.Add("Target", "the folder %s does not exist: "+
			"create it, or write off, stdout or another path", folder)
	}
	return faults
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
