package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/desklink"
)

// linking is a process with links to the desk.
type linking struct{ DeskLinks }

func (l *linking) validate(f *Faults) { l.DeskLinks.validate(f) }

func loadLinking(variables ...string) (linking, error) { return load[linking](Environ(variables)) }

var (
	deskSecret  = strings.Repeat("a", desklink.MinSecret)
	otherSecret = strings.Repeat("b", desklink.MinSecret)
)

func TestLinksToTheDeskAreSigned(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "desk_secret")
	require.NoError(t, os.WriteFile(file, []byte("\ufeff"+deskSecret+"\r\n\n"+otherSecret+"\n"),
		0o600))
	for _, variable := range []string{"DESK_SECRET_FILE=" + file,
		"DESK_SECRET=" + deskSecret + ", " + otherSecret} {
		got, err := loadLinking("DESK_URL=https://gate.example.com", variable)
		require.NoError(t, err)
		assert.Equal(t, 720*time.Hour, got.DeskLinkValid)
		assert.Equal(t, []string{deskSecret, otherSecret}, got.Secrets())
		signer, err := got.Signer()
		require.NoError(t, err)
		_, err = signer.Sign("an-order", "jane@example.com", time.Now())
		require.NoError(t, err)
	}
	none, err := loadLinking()
	require.NoError(t, err)
	signer, err := none.Signer()
	require.NoError(t, err)
	assert.Nil(t, signer)
}

func TestFaultsOfLinksToTheDesk(t *testing.T) {
	t.Parallel()
	const short = "thirty-one bytes are too short."
	missing := filepath.Join(t.TempDir(), "missing")
	for _, test := range []struct {
		variables []string
		want      string
	}{
		{[]string{"DESK_URL=https://gate.example.com"}, "DESK_SECRET: is not set, and DESK_URL is"},
		{[]string{"DESK_URL=gate.example.com", "DESK_SECRET=" + deskSecret},
			"DESK_URL: is not an http:// or https:// URL"},
		{[]string{"DESK_URL=https://me@gate.example.com", "DESK_SECRET=" + deskSecret},
			"DESK_URL: has a user or password"},
		{[]string{"DESK_URL=https://gate.example.com?a", "DESK_SECRET=" + deskSecret},
			"DESK_URL: has a query"},
		{[]string{"DESK_SECRET=" + deskSecret + "," + short},
			"DESK_SECRET: secret 2 has 31 bytes and needs 32"},
		{[]string{"DESK_SECRET= , "}, "DESK_SECRET: has no secret"},
		{[]string{"DESK_SECRET=" + deskSecret, "DESK_SECRET_FILE=" + missing},
			"DESK_SECRET: DESK_SECRET_FILE is set too"},
		{[]string{"DESK_URL=https://gate.example.com", "DESK_SECRET_FILE=" + missing},
			"DESK_SECRET_FILE: the file cannot be read"},
		{[]string{"DESK_LINK_VALID=0"}, "DESK_LINK_VALID: 0s is too short"},
	} {
		_, err := loadLinking(test.variables...)
		require.ErrorContains(t, err, test.want)
		var faults Faults
		require.ErrorAs(t, err, &faults)
		assert.Len(t, faults, 1)
		assert.NotContains(t, err.Error(), short)
		assert.NotContains(t, err.Error(), deskSecret)
	}
}
