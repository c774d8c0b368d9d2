package codec_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"

	"error-check-gate/internal/codec"
)

const (
	token  = "a-token-of-the-test-that-is-long"
	origin = "https://temporal.example.com"
)

// serve runs a codec server until the test ends, and returns its URL.
func serve(t *testing.T, o codec.ServerOptions) string {
	t.Helper()
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- codec.NewServer(o).Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-done)
	})
	return "http://" + listener.Addr().String()
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

func ask(t *testing.T, method, url string, header http.Header, body []byte) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	require.NoError(t, err)
	request.Header = header
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response.StatusCode, response.Header, data}
}

// payloads returns a request body as the Web UI and the CLI send it.
func payloads(t *testing.T, list ...*commonpb.Payload) []byte {
	t.Helper()
	body, err := protojson.Marshal(&commonpb.Payloads{Payloads: list})
	require.NoError(t, err)
	return body
}

func TestServerDecodesAndEncodes(t *testing.T) {
	k := keys(t, newKey("2026-02"), newKey("2026-01"))
	url := serve(t, codec.ServerOptions{Keys: k})
	header := http.Header{"Content-Type": {"application/json"}, "X-Namespace": {"default"}}
	encrypted, err := codec.NewDataConverter(k).ToPayload("a report")
	require.NoError(t, err)
	var log bytes.Buffer
	lost, err := codec.NewDataConverter(keys(t, newKey("lost"))).ToPayload("another report")
	require.NoError(t, err)

	got := ask(t, http.MethodPost, url+"/decode", header, payloads(t, encrypted, lost))
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	assert.Equal(t, "no-store", got.header.Get("Cache-Control"))
	var decoded commonpb.Payloads
	require.NoError(t, protojson.Unmarshal(got.body, &decoded))
	require.Len(t, decoded.GetPayloads(), 2)
	assert.Equal(t, `"a report"`, string(decoded.GetPayloads()[0].GetData()))
	assert.Equal(t, lost.GetData(), decoded.GetPayloads()[1].GetData(),
		"one lost key does not hide the rest")
	loud := serve(t, codec.ServerOptions{Keys: k, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.Equal(t, http.StatusOK,
		ask(t, http.MethodPost, loud+"/decode", header, payloads(t, lost)).status)
	assert.Contains(t, log.String(), `no key \"lost\"`)

	// The first key encrypts what an operator sends with --codec-endpoint.
	plain, err := converter.GetDefaultDataConverter().ToPayload([]string{})
	require.NoError(t, err)
	got = ask(t, http.MethodPost, url+"/encode", header, payloads(t, plain))
	require.Equal(t, http.StatusOK, got.status)
	var encoded commonpb.Payloads
	require.NoError(t, protojson.Unmarshal(got.body, &encoded))
	assert.Equal(t, "2026-02", string(encoded.GetPayloads()[0].GetMetadata()[codec.MetadataKeyID]))
	var back []string
	require.NoError(t, codec.NewDataConverter(k).FromPayload(encoded.GetPayloads()[0], &back))
	assert.Equal(t, []string{}, back)
}

func TestServerRefuses(t *testing.T) {
	k := keys(t, newKey("2026-01"))
	encrypted, err := codec.NewDataConverter(k).ToPayload("a report")
	require.NoError(t, err)
	var log bytes.Buffer
	url := serve(t, codec.ServerOptions{Keys: k, Token: token, Origins: []string{origin},
		Logger: slog.New(slog.NewTextHandler(&log, nil))})
	body := payloads(t, encrypted)
	with := func(pairs ...string) http.Header {
		header := http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}}
		for i := 0; i < len(pairs); i += 2 {
			header.Del(pairs[i])
			if pairs[i+1] != "" {
				header.Set(pairs[i], pairs[i+1])
			}
		}
		return header
	}
	for name, tc := range map[string]struct {
		method, path string
		header       http.Header
		body         []byte
		status       int
	}{
		"a valid request":      {http.MethodPost, "/decode", with(), body, 200},
		"a page of the Web UI": {http.MethodPost, "/decode", with("Origin", origin), body, 200},
		"no token":             {http.MethodPost, "/decode", with("Authorization", ""), body, 401},
		"a wrong token": {http.MethodPost, "/decode", with("Authorization", "Bearer "+token+"x"), body,
			401},
		"another scheme": {http.MethodPost, "/decode", with("Authorization", "Basic "+token), body, 401},
		"two tokens": {http.MethodPost, "/decode",
			http.Header{"Content-Type": {"application/json"},
				"Authorization": {"Bearer x", "Bearer " + token}}, body, 401},
		"no token to encode": {http.MethodPost, "/encode", with("Authorization", ""), body, 401},
		"an untrusted page": {http.MethodPost, "/decode", with("Origin", "https://evil.example"),
			body, 403},
		"a page without an origin": {http.MethodPost, "/decode", with("Origin", "null"), body, 403},
		"a form, which any page sends": {http.MethodPost, "/decode", with("Content-Type", "text/plain"),
			body, 415},
		"not JSON":     {http.MethodPost, "/decode", with(), []byte("no"), 400},
		"GET":          {http.MethodGet, "/decode", with(), nil, 404},
		"another path": {http.MethodPost, "/keys", with(), body, 404},
		"a probe":      {http.MethodGet, "/livez", nil, nil, 200},
		"a preflight":  {http.MethodOptions, "/decode", http.Header{"Origin": {origin}}, nil, 204},
		"an untrusted preflight": {http.MethodOptions, "/decode",
			http.Header{"Origin": {"https://evil.example"}}, nil, 403},
	} {
		t.Run(name, func(t *testing.T) {
			got := ask(t, tc.method, url+tc.path, tc.header, tc.body)
			assert.Equal(t, tc.status, got.status, "%s", got.body)
			if tc.status >= 400 {
				assert.NotContains(t, string(got.body), "a report")
			}
			allowed := ""
			if tc.header.Get("Origin") == origin {
				allowed = origin
			}
			assert.Equal(t, allowed, got.header.Get("Access-Control-Allow-Origin"))
			if name == "a preflight" {
				assert.Contains(t, got.header.Get("Access-Control-Allow-Headers"), "X-Namespace")
			}
		})
	}
	large := ask(t, http.MethodPost, url+"/decode", with(),
		[]byte(`{"payloads":[{"data":"`+strings.Repeat("A", 64<<20)+`"}]}`))
	assert.Equal(t, http.StatusBadRequest, large.status)
	assert.NotContains(t, log.String(), token)
}
