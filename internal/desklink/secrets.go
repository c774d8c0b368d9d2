package desklink

import (
	"errors"
	"fmt"
	"strings"
)

// ParseSecrets splits a list of secrets that are separated by commas. The first one signs. It
// returns an error if a secret is too short or there is none. The error quotes no secret.
func ParseSecrets(list string) ([]string, error) { return parse(list, ",", "secret") }

// ParseSecretLines splits a file with one secret per line, like [ParseSecrets].
func ParseSecretLines(content []byte) ([]string, error) {
	return parse(strings.TrimPrefix(string(content), "\ufeff"), "\n", "line")
}

func parse(text, separator, place string) ([]string, error) {
	var secrets []string
	for i, secret := range strings.Split(text, separator) {
		secret = strings.TrimSpace(secret)
		if secret == "" {
			continue
		}
		if len(secret) < MinSecret {
			return nil, fmt.Errorf("%s %d has %d bytes and needs %d: make one with 'openssl rand -hex 32'",
				place, i+1, len(secret), MinSecret)
		}
		secrets = append(secrets, secret)
	}
	if len(secrets) == 0 {
		return nil, errors.New("has no secret: make one with 'openssl rand -hex 32'")
	}
	return secrets, nil
}
