package config

import (
	"errors"
	"fmt"
	"strings"

	"error-check-gate/internal/codec"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/nowait"
	"error-check-gate/internal/option"
)

// FileSuffix at the end of a secret's variable names a file that holds the secret.
const FileSuffix = "_FILE"

// Signing holds the secrets that sign webhooks. They come from one of the two settings.
type Signing struct {
	WebhookSecret Secret `env:"WEBHOOK_SECRET" file:"lines" hint:"the secret that InFlow gave you for the subscription; separate several with commas"`
	SecretFile

	keys []inflow.SigningKey
}

// SecretFile is the file with the webhook secrets, one per line. The ingress follows it as it
// changes. 'gate webhooks rotate' writes to it.
type SecretFile struct {
	WebhookSecretFile string `env:"WEBHOOK_SECRET_FILE" hint:"the path of a file with one secret per line"`
}

// SigningKeys returns the keys, the one that signs first, as they were at the start.
func (c *Signing) SigningKeys() []inflow.SigningKey { return c.keys }

func (c *Signing) validate(f *Faults) {
	const variable = "WEBHOOK_SECRET"
	if !readList(f, variable, c.WebhookSecret, c.WebhookSecretFile, &c.keys,
		inflow.ParseSecrets, inflow.ParseSecretLines) {
		f.add(variable, "is not set: write the secret that InFlow gave you for the subscription, "+
			"or name a file that holds it in WEBHOOK_SECRET_FILE")
	}
}

// Payloads holds the keys that encrypt what Temporal stores. They come from one of the two
// settings. Without either, nothing is encrypted.
type Payloads struct {
	PayloadKeys     Secret `env:"PAYLOAD_KEYS" file:"lines" hint:"keys as id:base64 of 32 random bytes, separated by commas; the first encrypts"`
	PayloadKeysFile string `env:"PAYLOAD_KEYS_FILE" hint:"the path of a file with one key per line"`

	keys *codec.Keys
}

// Keys returns the keys, as they were at the start.
func (c *Payloads) Keys() *codec.Keys { return c.keys }

func (c *Payloads) validate(f *Faults) {
	var err error
	c.keys, err = codec.ReadKeys(string(c.PayloadKeys), c.PayloadKeysFile)
	var fault option.Fault
	if errors.As(err, &fault) {
		f.add(fault.Field, "%s", fault.Problem)
	}
}

func (c *Payloads) isSet() bool { return c.PayloadKeys != "" || c.PayloadKeysFile != "" }

// readList parses secrets from a variable, or from the file that NAME_FILE names. It reports
// whether one of the two is set.
func readList[T any](f *Faults, variable string, value Secret, path string, into *T,
	parseList func(string) (T, error), parseLines func([]byte) (T, error),
) (set bool) {
	var err error
	switch {
	case value != "" && path != "":
		err = errors.New(variable + FileSuffix + " is set too: keep one of them")
	case value != "":
		*into, err = parseList(string(value))
	case path != "":
		variable += FileSuffix
		var content []byte
		if content, err = nowait.ReadSmallFile(path); err == nil {
			*into, err = parseLines(content)
		}
	default:
		return false
	}
	if err != nil {
		f.add(variable, "%v", err)
	}
	return true
}

// withSecretFiles reads each secret that is in a file of its own.
func (e Environment) withSecretFiles(fields []field, faults *Faults) Environment {
	next := Environment{variables: make(map[string]variable, len(e.variables))}
	for name, v := range e.variables {
		next.variables[name] = v
	}
	for _, f := range fields {
		fileVariable := f.variable + FileSuffix
		path := e.Value(fileVariable)
		if !f.secret || f.lines || path == "" {
			continue
		}
		if e.Value(f.variable) != "" {
			faults.add(f.variable, "%s is set too: keep one of them", fileVariable)
			continue
		}
		secret, err := readSecretFile(path)
		if err != nil {
			faults.add(fileVariable, "%v", err)
		}
		next.variables[f.variable] = variable{value: secret, source: FromFile}
	}
	return next
}

func readSecretFile(path string) (string, error) {
	content, err := nowait.ReadSmallFile(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimRight(string(content), "\r\n")
	switch {
	case strings.TrimSpace(secret) == "":
		return "", fmt.Errorf("%s is empty: write the secret to it", path)
	case strings.ContainsAny(secret, "\r\n"):
		return "", fmt.Errorf("%s has several lines: write only the secret to it", path)
	}
	return secret, nil
}

// describeSecret returns what operators may see of a secret.
func describeSecret(secret string) string { return fmt.Sprintf("(set, %d bytes)", len(secret)) }
