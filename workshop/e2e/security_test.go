package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

// TestSecurityPageNamesExistingFiles checks that every file that the page names exists.
func TestSecurityPageNamesExistingFiles(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/security.md")
	require.NoError(t, err)
	for _, match := range regexp.MustCompile(
		"`([\\w.-]*(?:/[\\w./-]+|\\.(?:yml|mod|sum)))`|\\]\\((\\w+\\.md)\\)").FindAllSubmatch(page, -1) {
		path := "../../" + string(match[1])
		if len(match[2]) > 0 {
			path = "../../docs/" + string(match[2])
		}
		_, err := os.Stat(path)
		assert.NoError(t, err, "%s", match[0])
	}
}

// TestSecurityPage runs the page's commands with an encrypted order, the real codec server and CLI.
func TestSecurityPage(t *testing.T) {
	t.Parallel()
	page := recipes(t, "../../docs/security.md")
	key := newPayloadKey("2026-01")
	s := newStack(t, options{payloadKeys: payloadKeys(t, key), settings: orderlife.Settings{
		SettleQuiet: settleQuiet, SettleMax: 5 * settleQuiet,
	}})
	file := filepath.Join(t.TempDir(), "payload_keys")
	require.NoError(t, os.WriteFile(file, []byte(key+"\n"), 0o600))
	require.Equal(t, []string{"gate codec"}, page["codec"])
	port := freePort(t)
	startGate(t, []string{"PAYLOAD_KEYS_FILE=" + file,
		fmt.Sprintf("CODEC_LISTEN_ADDR=127.0.0.1:%d", port)}, "codec")
	endpoint := fmt.Sprintf("http://127.0.0.1:%d", port)
	require.Eventually(t, func() bool { return listensOn(port) }, waitFor, tick)

	s.waitForRecheck() // so that it does not signal the order later
	id := s.create("balance-wrong")
	s.waitForStatus(id, ordercheck.StatusFailed)
	run := func(recipe string) string {
		t.Helper()
		require.Len(t, page[recipe], 1)
		require.Contains(t, page[recipe][0], " --codec-endpoint http://127.0.0.1:5020")
		output, err := s.shell(strings.ReplaceAll(page[recipe][0], "http://127.0.0.1:5020",
			endpoint), id)
		require.NoError(t, err, output)
		return output
	}
	without := func(recipe string) string {
		t.Helper()
		output, err := s.shell(strings.ReplaceAll(page[recipe][0],
			"--codec-endpoint http://127.0.0.1:5020", ""), id)
		require.NoError(t, err, output)
		return output
	}
	const customer = "Oak & Anvil Renovations"
	for _, recipe := range []string{"show", "report"} {
		output := without(recipe)
		assert.NotContains(t, output, "Anvil")
		assert.Contains(t, output, "encryption-key-id")
		// The CLI shows a payload as JSON, which may write & as \u0026.
		output = strings.ReplaceAll(run(recipe), `\u0026`, "&")
		assert.Contains(t, output, customer)
		assert.NotContains(t, output, "encryption-key-id")
	}
	before := len(s.fetches(id))
	run("signal")
	require.Eventually(t, func() bool { return len(s.fetches(id)) > before }, waitFor, tick)
	before = len(s.fetches(id))
	without("signal")
	require.Eventually(t, func() bool {
		return len(s.fetches(id)) > before
	}, waitFor, tick, "an operator's plain signal works too")
	encrypted := 0
	for _, event := range s.history(id) {
		signaled := event.GetWorkflowExecutionSignaledEventAttributes()
		for _, payload := range signaled.GetInput().GetPayloads() {
			if string(payload.GetMetadata()["encoding"]) == "binary/encrypted" {
				encrypted++
			}
		}
	}
	assert.GreaterOrEqual(t, encrypted, 2, "the delivery, which comes twice on a busy machine, "+
		"and the signal through the codec server")

	// The query for runs that are older than a key counts the order's run. It does not count the
	// run that records the keys.
	older := strings.ReplaceAll(page["older-runs"][0], "2026-11-26T12:00:00Z",
		time.Now().UTC().Format(time.RFC3339Nano))
	output, err := s.shell(older, id)
	require.NoError(t, err, output)
	assert.Equal(t, "Total: 1", strings.TrimSpace(output))

	// gate's commands read PAYLOAD_KEYS_FILE. Without it, they name the missing setting.
	temporal := []string{"TEMPORAL_ADDRESS=" + server.Addr, "TEMPORAL_NAMESPACE=" + s.namespace}
	check := startGate(t, append(temporal, "PAYLOAD_KEYS_FILE="+file), "check", id, "--json")
	require.Equal(t, 1, check.exit(), check.stderr.String())
	assert.Contains(t, strings.ReplaceAll(<-check.lines, `\u0026`, "&"), customer)
	check = startGate(t, temporal, "check", id, "--json")
	require.Equal(t, 2, check.exit())
	assert.Contains(t, check.stderr.String(), `no key "2026-01": add it to PAYLOAD_KEYS`)
}
