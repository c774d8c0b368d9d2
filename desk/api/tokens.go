package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"error-check-gate/internal/reload"
)

const (
	// maxTokenLines is the maximum number of lines in a token file.
	maxTokenLines = 1000
	// maxTokenFaults is the maximum number of faults that we report for a token file.
	maxTokenFaults = 20
	// minToken is the minimum length of a token, in bytes. Nobody can guess 32 random bytes.
	minToken = 32
	// maxToken is the maximum length of a token, in bytes.
	maxToken = 1024
	// newToken says what to do about a token that cannot be used.
	newToken = "make a new one with 'openssl rand -hex 32'"
)

// Limits for each token. They keep a faulty program from overloading Temporal. 16 busy scanners
// need far less: about 300 requests per second.
const (
	tokenRate  = 1000 // requests per second
	tokenBurst = 2 * tokenRate
)

// Permissions of a token.
const (
	permissionRead = "read"
	permissionAct  = "act"
)

var tokenName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// token is one line of a token file.
type token struct {
	name    string
	mayAct  bool
	hash    [sha256.Size]byte
	limiter *rate.Limiter
}

// tokenList holds the tokens of a file.
type tokenList []*token

// find returns the token that a request presented, or nil. It always compares with all tokens, so
// its duration says nothing about them.
func (l tokenList) find(presented string) *token {
	if len(presented) > maxToken {
		return nil
	}
	hash := sha256.Sum256([]byte(presented))
	found := -1
	for i, t := range l {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(hash[:], t.hash[:]), i, found)
	}
	if found < 0 {
		return nil
	}
	return l[found]
}

// tokenFile follows the file DESK_API_TOKENS_FILE: a change takes effect within a second. If the
// new content has a fault or no token, we log that and keep the previous tokens.
//
// Replace the file instead of writing into it, as Kubernetes does. Otherwise we may read half of
// it.
type tokenFile struct {
	tokens *reload.Value[tokenList]
}

// openTokenFile returns an error if the file cannot be read or has a fault.
func openTokenFile(path string, logger *slog.Logger, now func() time.Time) (*tokenFile, error) {
	tokens, err := reload.Open(reload.Files{
		What: "API tokens", Paths: []string{path}, Logger: logger, Now: now,
	}, func(contents [][]byte) (tokenList, error) { return parseTokens(path, contents[0]) })
	if err != nil {
		return nil, err
	}
	return &tokenFile{tokens: tokens}, nil
}

// CheckTokenFile returns all faults of a token file. The error contains no token.
func CheckTokenFile(path string) error {
	_, err := openTokenFile(path, slog.New(slog.DiscardHandler), time.Now)
	return err
}

// follow polls the file until ctx ends. So requests hardly ever wait for a disk, and a fault is
// logged even if no request arrives.
func (f *tokenFile) follow(ctx context.Context) {
	reload.Follow(ctx, func() { f.tokens.Get() })
}

// parseTokens parses lines of the form name:permission:token. Its errors name the file and the
// line, and quote nothing, because any part of a broken line may be the token.
func parseTokens(path string, content []byte) (tokenList, error) {
	var list tokenList
	var faults []error
	lines := 0
	names, hashes := map[string]int{}, map[[sha256.Size]byte]int{}
	for line := range bytes.Lines(content) {
		lines++
		text := strings.TrimSpace(string(line))
		if lines > maxTokenLines {
			faults = append(faults,
				fmt.Errorf("%s has more than %d lines: is it the right file?", path, maxTokenLines))
			break
		}
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		t, err := parseToken(text)
		if err == nil {
			if first := names[t.name]; first != 0 {
				err = fmt.Errorf("the name is already used in line %d: use another one", first)
			} else if first := hashes[t.hash]; first != 0 {
				err = fmt.Errorf("the token is already used in line %d: %s", first, newToken)
			}
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", path, lines, err))
			if len(faults) == maxTokenFaults {
				break
			}
			continue
		}
		names[t.name], hashes[t.hash] = lines, lines
		list = append(list, t)
	}
	if len(faults) == 0 && len(list) == 0 {
		return nil, fmt.Errorf("%s has no token: write lines such as scanner:read:<token>", path)
	}
	return list, errors.Join(faults...)
}

func parseToken(text string) (*token, error) {
	name, rest, _ := strings.Cut(text, ":")
	permission, secret, ok := strings.Cut(rest, ":")
	switch {
	case !ok:
		return nil, errors.New("expected name:read:token or name:act:token")
	case !tokenName.MatchString(name):
		return nil, errors.New("the name must have 1 to 64 of the characters A-Z a-z 0-9 . _ -")
	case permission != permissionRead && permission != permissionAct:
		return nil, errors.New("the second part must be read or act")
	case strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("the token must have only printable ASCII characters and no spaces")
	case len(secret) < minToken:
		return nil, fmt.Errorf("the token has %d bytes and needs %d: %s", len(secret), minToken, newToken)
	case len(secret) > maxToken:
		return nil, fmt.Errorf("the token has %d bytes; the maximum is %d", len(secret), maxToken)
	}
	return &token{
		name: name, mayAct: permission == permissionAct, hash: sha256.Sum256([]byte(secret)),
		limiter: rate.NewLimiter(tokenRate, tokenBurst),
	}, nil
}
