package desk

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

// Bounds of the token file, and of what a request may present.
const (
	maxTokenLines  = 1000
	maxTokenFaults = 20
	minToken       = 32 // bytes: no one guesses as much
	maxToken       = 1024
)

// makeToken tells what to do about a token that cannot be used.
const makeToken = "make a new one with 'openssl rand -hex 32'"

// tokenRate limits one token, so that a program that runs wild leaves Temporal to the others. 16
// scanners that ask without a pause come to some 300 requests/s: the limit is far above that.
const (
	tokenRate  = 1000 // requests/s
	tokenBurst = 2 * tokenRate
)

// What a token may do.
const (
	permissionRead = "read"
	permissionAct  = "act"
)

var tokenName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// token is one line of the token file.
type token struct {
	name    string
	mayAct  bool
	hash    [sha256.Size]byte
	limiter *rate.Limiter
}

// tokenList is what a token file holds.
type tokenList []*token

// find returns the entry of a token, or nil. It compares the hash with every entry's, so its time
// tells nothing of the tokens.
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

// tokenFile holds the API's tokens, from DESK_API_TOKENS_FILE, and is read again when it changes,
// within a second. A version with a fault, or without a token, leaves the one before in force and
// is logged.
//
// Whoever changes the file should write another and rename it, as Kubernetes does: a file written
// in place can be read when half of it is there.
type tokenFile struct {
	tokens *reload.Value[tokenList]
}

// openTokenFile fails if the file cannot be read, or has a fault.
func openTokenFile(path string, logger *slog.Logger, now func() time.Time) (*tokenFile, error) {
	tokens, err := reload.Open(reload.Files{
		What: "API tokens", Paths: []string{path}, Logger: logger, Now: now,
	}, func(contents [][]byte) (tokenList, error) { return parseTokens(path, contents[0]) })
	if err != nil {
		return nil, err
	}
	return &tokenFile{tokens: tokens}, nil
}

// CheckTokenFile says what is wrong with a file of tokens. The error quotes no token.
func CheckTokenFile(path string) error {
	_, err := openTokenFile(path, slog.New(slog.DiscardHandler), time.Now)
	return err
}

// follow looks at the file until ctx ends, so that requests hardly ever wait for a disk, and a
// fault is logged although no request comes.
func (f *tokenFile) follow(ctx context.Context) {
	reload.Follow(ctx, func() { f.tokens.Get() })
}

// parseTokens reads lines of name:permission:token. Its errors name file and line, and quote
// nothing: any part of a mistaken line may be the token.
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
				fmt.Errorf("%s has over %d lines: is it the right file?", path, maxTokenLines))
			break
		}
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		t, err := parseToken(text)
		if err == nil {
			if before := names[t.name]; before != 0 {
				err = fmt.Errorf("the name is that of line %d: give each token a name of its own", before)
			} else if before := hashes[t.hash]; before != 0 {
				err = fmt.Errorf("the token is that of line %d: %s", before, makeToken)
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
		return nil, errors.New("the name must have 1 to 64 of A-Z a-z 0-9 . _ -")
	case permission != permissionRead && permission != permissionAct:
		return nil, errors.New("the second part must be read or act")
	case strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("the token must have printable ASCII characters only, and no spaces")
	case len(secret) < minToken:
		return nil, fmt.Errorf("the token has %d bytes and needs %d: %s",
			len(secret), minToken, makeToken)
	case len(secret) > maxToken:
		return nil, fmt.Errorf("the token has %d bytes, give at most %d", len(secret), maxToken)
	}
	return &token{
		name: name, mayAct: permission == permissionAct, hash: sha256.Sum256([]byte(secret)),
		limiter: rate.NewLimiter(tokenRate, tokenBurst),
	}, nil
}
