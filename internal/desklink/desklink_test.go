package desklink_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/desklink"
)

const (
	order    = "8a3c6d4e-0000-4000-8000-000000000001"
	receiver = "jane@example.com"
	valid    = 720 * time.Hour
)

var (
	noon      = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	oldSecret = strings.Repeat("o", desklink.MinSecret)
	newSecret = strings.Repeat("n", desklink.MinSecret)
)

func signer(t *testing.T, secrets ...string) *desklink.Signer {
	t.Helper()
	s, err := desklink.New(secrets, valid)
	require.NoError(t, err)
	return s
}

func sign(t *testing.T, s *desklink.Signer) string {
	t.Helper()
	key, err := s.Sign(order, receiver, noon)
	require.NoError(t, err)
	return key
}

func TestKeyNamesItsReceiverUntilItExpires(t *testing.T) {
	t.Parallel()
	s := signer(t, newSecret)
	key := sign(t, s)
	assert.Equal(t, key, url.QueryEscape(key), "safe in a URL")
	assert.Equal(t, key, sign(t, s), "a mail that is sent again has the same link")
	for _, at := range []time.Time{noon, noon.Add(valid - time.Second)} {
		got, err := s.Verify(key, order, at)
		require.NoError(t, err)
		assert.Equal(t, receiver, got)
	}
	_, err := s.Verify(key, strings.ToUpper(order), noon)
	require.NoError(t, err, "upper case names the same order")

	got, err := s.Verify(key, order, noon.Add(valid))
	require.ErrorIs(t, err, desklink.ErrExpired)
	assert.NotErrorIs(t, err, desklink.ErrInvalid)
	assert.Empty(t, got)
}

func TestKeyOpensNoOtherOrder(t *testing.T) {
	t.Parallel()
	s := signer(t, newSecret)
	got, err := s.Verify(sign(t, s), "8a3c6d4e-0000-4000-8000-000000000002", noon)
	require.ErrorIs(t, err, desklink.ErrInvalid)
	assert.Empty(t, got)
}

func TestForgedKeysAreRefused(t *testing.T) {
	t.Parallel()
	s := signer(t, newSecret)
	key := sign(t, s)
	forged := []string{
		"", ".", key + "A", key + "=", key + ".", "." + key,
		strings.Repeat("A", 1<<20), strings.ReplaceAll(key, ".", ""),
		sign(t, signer(t, oldSecret)), key[:len(key)-1], key + "\n",
	}
	for i := range key {
		replaced := []byte(key)
		if replaced[i]++; replaced[i] == key[i] || i == strings.IndexByte(key, '.') {
			continue
		}
		forged = append(forged, string(replaced))
	}
	for _, forgery := range forged {
		got, err := s.Verify(forgery, order, noon)
		require.ErrorIs(t, err, desklink.ErrInvalid, "%q", forgery)
		assert.Empty(t, got)
	}
}

func TestSecretsRotate(t *testing.T) {
	t.Parallel()
	before, during := signer(t, oldSecret), signer(t, newSecret, oldSecret)
	after := signer(t, newSecret)
	_, err := during.Verify(sign(t, before), order, noon)
	require.NoError(t, err)
	_, err = after.Verify(sign(t, during), order, noon)
	require.NoError(t, err, "the first secret signs")
	_, err = after.Verify(sign(t, before), order, noon)
	require.ErrorIs(t, err, desklink.ErrInvalid)
}

func TestFaultsOfSignersAndArguments(t *testing.T) {
	t.Parallel()
	_, err := desklink.New(nil, valid)
	require.ErrorContains(t, err, "no secret")
	_, err = desklink.New([]string{newSecret, newSecret[1:]}, valid)
	require.EqualError(t, err, "set up signed links: secret 2 of 2 has 31 bytes; it needs 32")
	_, err = desklink.New([]string{newSecret}, 0)
	require.ErrorContains(t, err, "give a time above 0")

	s := signer(t, newSecret)
	for _, bad := range []struct{ order, receiver string }{
		{"", receiver}, {"../secrets", receiver}, {order, ""}, {order, strings.Repeat("x", 255)},
	} {
		_, err := s.Sign(bad.order, bad.receiver, noon)
		require.Error(t, err, "%v", bad)
	}
	_, err = s.Sign(strings.Repeat("x", 128), strings.Repeat("\x01", 254), noon)
	require.ErrorContains(t, err, "the desk reads at most")
	longest, err := s.Sign(strings.Repeat("x", 128), strings.Repeat("x", 254), noon)
	require.NoError(t, err)
	_, err = s.Verify(longest, strings.Repeat("x", 128), noon)
	require.NoError(t, err)
}

func TestPrintingASignerShowsNoSecret(t *testing.T) {
	t.Parallel()
	s := signer(t, newSecret)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		text := fmt.Sprintf(verb, *s)
		assert.NotContains(t, text, newSecret)
		assert.Less(t, len(text), 200)
	}
}
