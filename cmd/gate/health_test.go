package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHealth(t *testing.T) {
	var status int
	var body string
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/readyz", r.URL.Path)
		w.WriteHeader(status)
		_, err := w.Write([]byte(body))
		assert.NoError(t, err)
	}))
	defer page.Close()
	address := strings.TrimPrefix(page.URL, "http://")
	_, port, _ := strings.Cut(address, ":")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")

	for name, tc := range map[string]struct {
		address string
		status  int
		body    string
		code    int
		says    string
	}{
		"ready":                           {address, 200, `{"status":"ready"}`, 0, "ready"},
		"listening on every address":      {":" + port, 200, `{"status":"ready"}`, 0, "ready"},
		"listening on every IPv4 address": {"0.0.0.0:" + port, 200, `{"status":"ready"}`, 0, "ready"},
		"not ready": {address, 503, `{"error":"Temporal cannot be reached"}`, 1,
			"not ready: Temporal cannot be reached"},
		"another program":      {address, 404, `<html>`, 1, "404"},
		"no listener":          {"127.0.0.1:1", 0, "", 1, "ADMIN_ADDR=127.0.0.1:1"},
		"a page":               {page.URL + "/readyz", 200, `<html>`, 0, "ready"},
		"a page with an error": {page.URL + "/readyz", 500, `<html>`, 1, "500"},
		"no address":           {"here", 0, "", 2, "ADMIN_ADDR"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("ADMIN_ADDR", tc.address)
			status, body = tc.status, tc.body
			var out strings.Builder
			root := newRootCommand()
			root.SetArgs([]string{"health"})
			if strings.HasPrefix(tc.address, "http") {
				root.SetArgs([]string{"health", "--url", tc.address})
			}
			root.SetOut(&out)
			err := root.ExecuteContext(t.Context())
			if tc.code == 0 {
				require.NoError(t, err)
				assert.Equal(t, tc.says+"\n", out.String())
				return
			}
			var exit *exitError
			require.ErrorAs(t, err, &exit)
			assert.Equal(t, tc.code, exit.code)
			assert.Contains(t, exit.Error(), tc.says)
		})
	}
}
