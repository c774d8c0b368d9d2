package ingress

import (
	"context"
	"log/slog"
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/reload"
)

// Secrets gives the verifier for the secrets in force now. It is asked with every request. It may
// look at files, and is not for callbacks.
type Secrets interface {
	Verifier() *inflow.Verifier
}

// FixedSecrets are secrets that stay as long as the process, from WEBHOOK_SECRET.
type FixedSecrets struct {
	verifier *inflow.Verifier
}

// NewFixedSecrets fails without a secret.
func NewFixedSecrets(keys []inflow.SigningKey) (*FixedSecrets, error) {
	verifier, err := inflow.NewVerifier(keys)
	if err != nil {
		return nil, err
	}
	return &FixedSecrets{verifier: verifier}, nil
}

// Verifier is always the same.
func (s *FixedSecrets) Verifier() *inflow.Verifier { return s.verifier }

// SecretFile holds secrets one a line, from WEBHOOK_SECRET_FILE, and is read again
// when it changes, within a second. A change that leaves no usable secrets, or
// spoils one of them, keeps those from before and is logged.
//
// Whoever changes the file should write another and rename it, as Kubernetes
// does: a file written in place can be read when half of it is there.
type SecretFile struct {
	verifier *reload.Value[*inflow.Verifier]
}

// OpenSecretFile fails where the file cannot be read, or has a faulty line or no secret. A nil
// logger is [slog.Default].
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

// Verifier is for the secrets that the file holds now.
func (s *SecretFile) Verifier() *inflow.Verifier { return s.verifier.Get() }

// followSecrets keeps the number of secrets for the metrics, and sees a changed file although no
// request comes.
func (s *Server) followSecrets(ctx context.Context) {
	ticker := time.NewTicker(reload.Interval)
	defer ticker.Stop()
	for {
		s.countSecrets(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *Server) countSecrets(ctx context.Context) {
	defer func() {
		if panicked := recover(); panicked != nil {
			s.logPanic(ctx, panicked)
		}
	}()
	s.metrics.secrets.Store(int64(s.secrets.Verifier().Secrets()))
}
