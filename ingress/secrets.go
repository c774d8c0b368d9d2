package ingress

import (
	"context"
	"log/slog"
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/reload"
)

// Secrets returns the verifier for the secrets now in force. The server calls it for every request.
// It may read files, so don't call it from a metric's callback.
type Secrets interface {
	Verifier() *inflow.Verifier
}

// FixedSecrets holds secrets that never change, from WEBHOOK_SECRET.
type FixedSecrets struct {
	verifier *inflow.Verifier
}

// NewFixedSecrets returns an error if there is no key.
func NewFixedSecrets(keys []inflow.SigningKey) (*FixedSecrets, error) {
	verifier, err := inflow.NewVerifier(keys)
	if err != nil {
		return nil, err
	}
	return &FixedSecrets{verifier: verifier}, nil
}

// Verifier always returns the same verifier.
func (s *FixedSecrets) Verifier() *inflow.Verifier { return s.verifier }

// SecretFile holds the secrets of WEBHOOK_SECRET_FILE, one per line. It reads the file again within
// a second after it changed. If the new content has no secret or an invalid one, the previous
// secrets stay in force and the fault is logged.
//
// Change the file by renaming another one over it, as Kubernetes does: a file that is written in
// place may be read half written.
type SecretFile struct {
	verifier *reload.Value[*inflow.Verifier]
}

// OpenSecretFile reads a file of secrets. It fails if the file has no secret or an invalid line. A
// nil logger is [slog.Default].
func OpenSecretFile(path string, logger *slog.Logger) (*SecretFile, error) {
	return openSecretFile(path, logger, time.Now)
}

func openSecretFile(path string, logger *slog.Logger, now func() time.Time) (*SecretFile, error) {
	if logger == nil {
		logger = slog.Default()
	}
	verifier, err := reload.Open(reload.Files{
		What: "webhook secrets", Paths: []string{path}, Logger: logger, Now: now,
	}, func(contents [][]byte) (*inflow.Verifier, error) {
		keys, err := inflow.ParseSecretLines(contents[0])
		if err != nil {
			return nil, err
		}
		return inflow.NewVerifier(keys)
	})
	if err != nil {
		return nil, err
	}
	return &SecretFile{verifier: verifier}, nil
}

// Verifier returns the verifier for the secrets that are in the file now.
func (s *SecretFile) Verifier() *inflow.Verifier { return s.verifier.Get() }

// countSecrets updates the number of secrets for the metrics.
func (s *Server) countSecrets(ctx context.Context) {
	defer func() {
		if panicked := recover(); panicked != nil {
			s.logPanic(ctx, panicked)
		}
	}()
	s.metrics.secrets.Store(int64(s.secrets.Verifier().Secrets()))
}
