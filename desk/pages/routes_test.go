package pages

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/desk/orders"
	"error-check-gate/internal/signin"
)

func TestOddAddresses(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss := d.as(testManager)
	long := strings.Repeat("x", 5000)
	for address, status := range map[string]int{
		"/orders/%2e%2e":                       http.StatusNotFound,
		"/orders/..%2f..%2frules":              http.StatusNotFound,
		"/orders/%ff%fe":                       http.StatusNotFound,
		"/orders/%00":                          http.StatusNotFound,
		"/orders/" + long:                      http.StatusNotFound,
		"/orders/%0d%0aSet-Cookie:%20a=b":      http.StatusNotFound,
		"/orders/" + long + "?k=x":             http.StatusSeeOther,
		"/orders/a/b/c":                        http.StatusNotFound,
		"/orders/":                             http.StatusNotFound,
		"/nothing":                             http.StatusNotFound,
		"/static/nothing":                      http.StatusNotFound,
		"/static/":                             http.StatusNotFound,
		"/static/..%2ftemplates%2forder.html":  http.StatusNotFound,
		"/?rep=" + strings.Repeat("r", 500):    http.StatusBadRequest,
		"/?status=nonsense":                    http.StatusBadRequest,
		"/?status=%ff":                         http.StatusBadRequest,
		"/?age=-1h":                            http.StatusBadRequest,
		"/?age=9999999999h":                    http.StatusBadRequest,
		"/?format=exe":                         http.StatusBadRequest,
		"//evil.example/..":                    http.StatusTemporaryRedirect,
		"/sign-in?next=https://evil.example":   http.StatusSeeOther,
		"/sign-in?next=//evil.example":         http.StatusSeeOther,
		"/sign-in?next=/%5cevil.example":       http.StatusSeeOther,
		"/sign-in?next=%2f%09%2fevil.example/": http.StatusSeeOther,
	} {
		got := boss.get(address)
		assert.Equal(t, status, got.status, "%.60s", address)
		assert.LessOrEqual(t, len(got.body), 20_000, "%.60s", address)
		if status >= 400 {
			assert.Contains(t, got.body, "</html>", "%.60s", address)
		}
	}
}

func TestOddMethods(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss := d.as(testManager)
	for _, address := range []string{
		"/", testOrderPath, "/rules", testOrderPath + "/check", "/sign-in", "/sign-out",
		"/static/desk.css",
	} {
		for _, method := range []string{
			http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodPatch,
			http.MethodTrace, "BREW",
		} {
			got := boss.do(method, address, nil)
			assert.Equal(t, http.StatusMethodNotAllowed, got.status, "%s %s", method, address)
			assert.NotEmpty(t, got.header.Get("Allow"), "%s %s", method, address)
			assert.Empty(t, got.header.Get("Access-Control-Allow-Origin"))
		}
	}
	for _, address := range []string{"/", testOrderPath, "/rules", "/static/desk.css", "/sign-in"} {
		got := boss.do(http.MethodHead, address, nil)
		assert.Less(t, got.status, 400, address)
		assert.Empty(t, got.body)
	}
	d.assertUntouched()
}

// TestOddRequests writes requests that no HTTP client would send.
func TestOddRequests(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	address := strings.TrimPrefix(d.http.URL, "https://")
	for name, test := range map[string]struct {
		request string
		status  int
	}{
		"HTTP/1.0":         {"GET /sign-in HTTP/1.0\r\n\r\n", 200},
		"HTTP/1.0, a form": {"POST " + testOrderPath + "/check HTTP/1.0\r\n\r\n", 303},
		"a full address":   {"GET https://evil.example/sign-in HTTP/1.1\r\nHost: x\r\n\r\n", 200},
		"no host":          {"GET /sign-in HTTP/1.1\r\n\r\n", 400},
		"all addresses":    {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 200},
		"CONNECT":          {"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n", 405},
		"a huge cookie": {"GET /sign-in HTTP/1.1\r\nHost: x\r\nCookie: " +
			strings.Repeat("a=b; ", 500_000) + "\r\n\r\n", 431},
		"doubled cookies": {"GET /sign-in HTTP/1.1\r\nHost: x\r\n" +
			"Cookie: __Host-desk=x; __Host-desk=y\r\nCookie: " + linkCookie + "=~=~=; " + linkCookie +
			"\r\n\r\n", 200},
		"another language": {"GET /sign-in HTTP/1.1\r\nHost: x\r\n" +
			"Accept-Language: ar\r\nAccept: x\r\n\r\n", 200},
		"two lengths": {"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n" +
			"Content-Length: 2\r\n\r\nab", 400},
	} {
		config := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the test's own server
		connection, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", address)
		require.NoError(t, err)
		_, err = io.WriteString(connection, test.request)
		if test.status != 431 { // the server may close the connection before it has read everything
			require.NoError(t, err, name)
		}
		got, err := http.ReadResponse(bufio.NewReader(connection), nil)
		require.NoError(t, err, name)
		assert.Equal(t, test.status, got.StatusCode, name)
		assert.NoError(t, got.Body.Close())
		assert.NoError(t, connection.Close())
	}
	d.assertUntouched()
}

// TestDeskWithoutSignInAnswersThisMachineOnly sends the host name that a hostile website would use.
func TestDeskWithoutSignInAnswersThisMachineOnly(t *testing.T) {
	t.Parallel()
	d := startDesk(t, func(o *Options) { o.SignIn = signin.Options{Mode: signin.ModeNone} })
	v := d.visitor()
	assert.Equal(t, http.StatusOK, v.get(testOrderPath).status)
	request, err := http.NewRequestWithContext(
		t.Context(), http.MethodGet, d.http.URL+testOrderPath, nil)
	require.NoError(t, err)
	request.Host = "rebound.example:5030"
	got, err := v.client.Do(request)
	require.NoError(t, err)
	require.NoError(t, got.Body.Close())
	assert.Equal(t, http.StatusMisdirectedRequest, got.StatusCode)
}

func TestTemporalIsDown(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss := d.as(testManager)
	d.orders.Err = fmt.Errorf("%w: the reason is for the log", orders.ErrUnavailable)
	for _, address := range []string{testOrderPath, "/", "/rules", "/?format=csv"} {
		got := boss.get(address)
		assert.Equal(t, http.StatusServiceUnavailable, got.status)
		assert.NotEmpty(t, got.header.Get("Retry-After"))
		assert.Contains(t, got.body, "Nothing is lost")
		assert.NotContains(t, got.body, "the reason is for the log")
	}
	assert.Contains(t, d.log.String(), "the reason is for the log")
	d.orders.Err = nil
	assert.Equal(t, http.StatusOK, boss.get(testOrderPath).status)
}

func TestPanicIsAPlain500(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss := d.as(testManager)
	d.orders.PanicInTimeline = true
	got := boss.get(testOrderPath)
	assert.Equal(t, http.StatusInternalServerError, got.status)
	assert.Equal(t, "text/plain; charset=utf-8", got.header.Get("Content-Type"))
	assert.NotContains(t, got.body, "goroutine")
	assert.NotContains(t, got.body, "mistake")
	assert.Contains(t, d.log.String(), "panicked")
	assert.Equal(t, http.StatusOK, boss.get("/").status, "the process goes on")
}

// TestAssetsAreKeptByVersion checks that browsers only keep a file with the address of its version.
func TestAssetsAreKeptByVersion(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	v := d.visitor()
	current := "/static/desk.css?v=" + d.assets["desk.css"].version
	assert.Contains(t, v.get("/sign-in").body, current)
	assert.Contains(t, v.get(current).header.Get("Cache-Control"), "immutable")
	for _, other := range []string{"/static/desk.css", "/static/desk.css?v=0123456789ab"} {
		got := v.get(other)
		assert.Equal(t, http.StatusOK, got.status)
		assert.Equal(t, "no-store", got.header.Get("Cache-Control"), other)
	}
}
