package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/ingress"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// TestHTTPContract checks every row of the HTTP contract with a real Temporal.
func TestHTTPContract(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{})
	known := s.create("plain")
	s.mustResult(known)
	documented := func(id string) string {
		return fmt.Sprintf(`{"event":"salesOrder.updated","data":{"salesOrderId":%q},`+
			`"timestamp":"2025-10-28T12:00:00Z"}`, id)
	}
	tooLarge := documented(strings.Repeat("x", 256<<10))
	signed := func(body string) http.Header {
		header := http.Header{"Content-Type": {"application/json"}}
		header.Set(inflow.SignatureHeader, inflow.Sign(s.keys[0], []byte(body)))
		return header
	}
	with := func(header http.Header, name string, values ...string) http.Header {
		header = header.Clone()
		header[http.CanonicalHeaderKey(name)] = values
		return header
	}
	right := documented(known)
	for name, tc := range map[string]struct {
		body   string
		header http.Header
		status int
		answer map[string]string // "…" matches any text
	}{
		"over 256 KiB": {tooLarge, signed(tooLarge), 413,
			map[string]string{"error": "…"}},
		"over 256 KiB and unsigned": {tooLarge, nil, 413, map[string]string{"error": "…"}},
		"compressed": {right, with(signed(right), "Content-Encoding", "gzip"), 415,
			map[string]string{"error": "…"}},
		"a form, unsigned": {right,
			http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, 415,
			map[string]string{"error": "…"}},
		"unsigned": {right, http.Header{"Content-Type": {"application/json"}}, 401,
			map[string]string{"error": "invalid signature"}},
		"unsigned and not JSON": {"no", http.Header{"Content-Type": {"application/json"}}, 401,
			map[string]string{"error": "invalid signature"}},
		"signed twice": {right, with(signed(right), inflow.SignatureHeader,
			inflow.Sign(s.keys[0], []byte(right)), inflow.Sign(s.keys[0], []byte(right))),
			401, map[string]string{"error": "invalid signature"}},
		"signed in another body's name": {right, signed(right + " "), 401,
			map[string]string{"error": "invalid signature"}},
		"malformed signature": {right, with(signed(right), inflow.SignatureHeader, "???"),
			401, map[string]string{"error": "invalid signature"}},
		"not JSON": {"no", signed("no"), 400, map[string]string{"error": "…"}},
		"a list":   {"[]", signed("[]"), 400, map[string]string{"error": "…"}},
		"no id": {`{"event":"salesOrder.updated","data":{}}`,
			signed(`{"event":"salesOrder.updated","data":{}}`), 400,
			map[string]string{"error": "…"}},
		"an id of 129 bytes": {documented(strings.Repeat("x", 129)),
			signed(documented(strings.Repeat("x", 129))), 400, map[string]string{"error": "…"}},
		"an id with a slash": {documented("a/b"), signed(documented("a/b")), 400,
			map[string]string{"error": "…"}},
		"another entity": {`{"event":"customer.updated","data":{"customerId":"c"}}`,
			signed(`{"event":"customer.updated","data":{"customerId":"c"}}`),
			200, map[string]string{"status": "ignored", "event": "customer.updated"}},
		"an unknown event": {`{"event":"salesOrder.sneezed"}`,
			signed(`{"event":"salesOrder.sneezed"}`),
			200, map[string]string{"status": "ignored", "event": "salesOrder.sneezed"}},
		"documented form": {right, signed(right), 200,
			map[string]string{"status": "received", "salesOrderId": known}},
		"no content type": {right, with(signed(right), "Content-Type"), 200,
			map[string]string{"status": "received", "salesOrderId": known}},
		"live form": {`{"eventType":"SalesOrderUpdatedV2","salesOrderId":"` + known + `"}`,
			signed(`{"eventType":"SalesOrderUpdatedV2","salesOrderId":"` + known + `"}`),
			200, map[string]string{"status": "received", "salesOrderId": known}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, chunked := range []bool{false, true} {
				status, answer := s.postRaw(t, tc.body, tc.header, chunked)
				for deadline := time.Now().Add(waitFor); status == http.StatusServiceUnavailable &&
					time.Now().Before(deadline); {
					status, answer = s.postRaw(t, tc.body, tc.header, chunked)
				}
				assert.Equal(t, tc.status, status, "chunked: %v", chunked)
				for key, value := range tc.answer {
					if value == "…" {
						assert.NotEmpty(t, answer[key])
						value = answer[key]
					}
					assert.Equal(t, value, answer[key])
				}
				assert.Len(t, answer, len(tc.answer))
			}
		})
	}
	assert.Equal(t, http.StatusOK, s.get("/webhook/inflow"))
	assert.Equal(t, http.StatusOK, s.get("/livez"))
	s.becomes("/readyz", http.StatusOK)
	assert.Equal(t, http.StatusNotFound, s.get("/elsewhere"))
	assert.Equal(t, ordercheck.StatusPassed, s.mustResult(known).Status)
}

// postRaw posts a body that the server may refuse before it has read it.
func (s *stack) postRaw(
	t *testing.T, body string, header http.Header, chunked bool,
) (status int, answer map[string]string) {
	t.Helper()
	var reader io.Reader = strings.NewReader(body)
	if chunked {
		reader = io.MultiReader(reader) // hides the length from net/http
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url, reader)
	require.NoError(t, err)
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, decodeAnswer(t, data)
}

func TestOverTheLimit(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{ingress: ingress.Options{PeerRateLimit: 1}})
	body := []byte(`{"event":"salesOrder.updated","data":{"salesOrderId":"` + uuid.NewString() +
		`"}}`)
	header := http.Header{"Content-Type": {"application/json"}}
	header.Set(inflow.SignatureHeader, inflow.Sign(s.keys[0], body))
	for range 100 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url,
			bytes.NewReader(body))
		require.NoError(t, err)
		request.Header = header
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		data, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		if response.StatusCode == http.StatusTooManyRequests {
			assert.NotEmpty(t, response.Header.Get("Retry-After"))
			assert.NotEmpty(t, decodeAnswer(t, data)["error"])
			status, _ := s.send(body, http.Header{"Content-Type": {"application/json"}})
			assert.Equal(t, http.StatusUnauthorized, status,
				"the signature is checked before the limit")
			return
		}
		// on a busy machine, Temporal may be too slow
		if response.StatusCode != http.StatusServiceUnavailable {
			require.Equal(t, http.StatusOK, response.StatusCode)
		}
	}
	t.Error("no delivery was over the limit of one a second")
}
