package ingress

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
)

func parseKeys(t testing.TB, texts ...string) []inflow.SigningKey {
	t.Helper()
	keys := make([]inflow.SigningKey, len(texts))
	for i, text := range texts {
		var err error
		keys[i], err = inflow.ParseSecret(text)
		require.NoError(t, err)
	}
	return keys
}

func sign(t testing.TB, secret, body string) string {
	t.Helper()
	return inflow.Sign(parseKeys(t, secret)[0], []byte(body))
}

func documentedBody(id string) string {
	return `{"event":"salesOrder.updated","data":{"salesOrderId":"` + id + `"},` +
		`"timestamp":"2025-10-28T12:00:00Z"}`
}

func liveBody(id string) string {
	return `{"eventType":"SalesOrderUpdatedV2","salesOrderId":"` + id + `"}`
}

// webhookRequest returns a delivery with a valid signature.
func (ts *testServer) webhookRequest(t testing.TB, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(
		t.Context(), http.MethodPost, ts.url+webhookPath, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(inflow.SignatureHeader, sign(t, firstSecret, body))
	return r
}

// forgedRequest returns a delivery that is signed with an unknown secret.
func (ts *testServer) forgedRequest(t testing.TB, body string) *http.Request {
	t.Helper()
	r := ts.webhookRequest(t, body)
	r.Header.Set(inflow.SignatureHeader, sign(t, foreignSecret, body))
	return r
}

type reply struct {
	status int
	header http.Header
	body   string
	closed bool // the server closed the connection after it
}

func (ts *testServer) do(t testing.TB, r *http.Request) reply {
	t.Helper()
	response, err := ts.client.Do(r)
	require.NoError(t, err)
	defer func() { assert.NoError(t, response.Body.Close()) }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return reply{response.StatusCode, response.Header, string(body), response.Close}
}

// doOnce sends a request over a new connection. Unlike do, it gets the answer even if the server
// answers early and closes the connection while the body is being sent.
func (ts *testServer) doOnce(t testing.TB, r *http.Request) reply {
	t.Helper()
	var wire bytes.Buffer
	require.NoError(t, r.Write(&wire))
	got, err := ts.exchange(t.Context(), wire.String())
	require.NoError(t, err)
	return got
}

func (ts *testServer) get(t testing.TB, path string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, ts.url+path, nil)
	require.NoError(t, err)
	return ts.do(t, r)
}

// assertAlike compares two texts. "…" in want stands for any text.
func assertAlike(t *testing.T, want, got string) {
	t.Helper()
	before, after, hasGap := strings.Cut(want, "…")
	if !hasGap {
		assert.Equal(t, want, got)
		return
	}
	alike := strings.HasPrefix(got, before) && strings.HasSuffix(got, after) &&
		len(got) > len(before)+len(after)
	assert.True(t, alike, "%s is not like %s", got, want)
	assert.LessOrEqual(t, len(got), 250)
	assert.True(t, json.Valid([]byte(got)), got)
}

// dial opens a connection and sends the beginning of a request.
func (ts *testServer) dial(t testing.TB, beginning string) net.Conn {
	t.Helper()
	conn, err := new(
		net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(ts.url, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = io.WriteString(conn, beginning)
	require.NoError(t, err)
	return conn
}

// deliver sends a delivery with a client, which may keep its connection.
func (ts *testServer) deliver(
	ctx context.Context, client *http.Client, body string, signature string,
) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, ts.url+webhookPath,
		strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set(inflow.SignatureHeader, signature)
	response, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return response.StatusCode, err
}

// isCut reports whether the server has closed a connection.
func isCut(conn net.Conn) bool {
	_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := conn.Read(make([]byte, 1))
	netErr, ok := err.(net.Error) //nolint:errorlint // the connection returns it unwrapped
	return err != nil && (!ok || !netErr.Timeout())
}

func (ts *testServer) openConnections() int {
	open, _ := ts.server.connections.Count()
	return open
}

func (ts *testServer) requireConnections(t testing.TB, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return ts.openConnections() == n }, generous,
		time.Millisecond, "there are %d connections", n)
}

// raw is a request as it is sent over the wire.
type raw struct {
	line    string // default "POST /webhook/inflow HTTP/1.1"
	host    string // header lines; default "Host: gate"
	headers []string
	// body is signed, and its length sent as Content-Length unless headers say otherwise.
	body string
	// signature defaults to the body's signature; "none" omits it.
	signature string
	sent      string // sent instead of the body
}

func (r raw) text(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	line := r.line
	if line == "" {
		line = "POST /webhook/inflow HTTP/1.1"
	}
	host := r.host
	if host == "" {
		host = "Host: gate\r\n"
	}
	b.WriteString(line + "\r\n" + host)
	signature := r.signature
	if signature == "" {
		signature = sign(t, firstSecret, r.body)
	}
	if signature != "none" {
		b.WriteString(inflow.SignatureHeader + ": " + signature + "\r\n")
	}
	hasLength := false
	for _, header := range r.headers {
		b.WriteString(header + "\r\n")
		name, _, _ := strings.Cut(strings.ToLower(header), ":")
		hasLength = hasLength || name == "content-length" || name == "transfer-encoding"
	}
	if !hasLength {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(r.body))
	}
	b.WriteString("\r\n")
	if r.sent != "" {
		b.WriteString(r.sent)
	} else {
		b.WriteString(r.body)
	}
	return b.String()
}

// exchange sends a request over a new connection and reads the answer.
func (ts *testServer) exchange(ctx context.Context, request string) (reply, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(ts.url, "http://"))
	if err != nil {
		return reply{}, err
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(conn, request) // the server may close the connection early
	}()
	defer func() {
		_ = conn.Close()
		<-sent
	}()
	if err := conn.SetReadDeadline(time.Now().Add(generous)); err != nil {
		return reply{}, err
	}
	method, _, _ := strings.Cut(request, " ")
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, &http.Request{Method: method})
	for err == nil && response.StatusCode == http.StatusContinue {
		response, err = http.ReadResponse(reader, &http.Request{Method: method})
	}
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(body), response.Close}, err
}

func chunkedBody(body string, size int) string {
	var b strings.Builder
	for len(body) > 0 {
		chunk := body[:min(size, len(body))]
		body = body[len(chunk):]
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(chunk), chunk)
	}
	return b.String() + "0\r\n\r\n"
}

func compressed(t *testing.T, body string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, body)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

// bodyWithSignature returns a body whose signature contains one of the characters.
func bodyWithSignature(t *testing.T, characters string) (body, signature string) {
	t.Helper()
	for i := range 1000 {
		body = fmt.Sprintf(`{"event":"salesOrder.updated","salesOrderId":"o-%d"}`, i)
		if signature = sign(t, firstSecret, body); strings.ContainsAny(signature, characters) {
			return body, signature
		}
	}
	t.Fatal("no such signature")
	return "", ""
}
