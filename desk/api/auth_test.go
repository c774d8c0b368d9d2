package api

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAuthentication(t *testing.T) {
	a := startAPI(t)
	for name, headers := range map[string][]string{
		"no header": nil, "empty": {""}, "no token": {"Bearer"}, "a space": {"Bearer "},
		"basic": {"Basic " + readToken}, "no scheme": {readToken},
		"twice":       {"Bearer " + readToken, "Bearer " + readToken},
		"two in one":  {"Bearer " + readToken + ", Bearer " + actToken},
		"a prefix":    {"Bearer " + readToken[:36]},
		"too long":    {"Bearer " + readToken + "0"},
		"upper case":  {"Bearer " + strings.ToUpper(readToken)},
		"a name":      {"Bearer scanner"},
		"a line":      {"Bearer scanner:read:" + readToken},
		"huge":        {"Bearer " + strings.Repeat("x", 10_000)},
		"a tab":       {"Bearer\t" + readToken},
		"a NUL after": {"Bearer " + readToken + "%00"},
	} {
		a.advance(time.Second)
		got := a.send(http.MethodGet, testOrderPath, http.Header{"Authorization": headers}, "")
		assert.Equal(t, 401, got.status, name)
		assert.Equal(t, "Bearer", got.header.Get("WWW-Authenticate"), name)
	}
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER ", "Bearer   "} {
		header := http.Header{"Authorization": {scheme + readToken}}
		assert.Equal(t, 200, a.send(http.MethodGet, testOrderPath, header, "").status, scheme)
	}
	a.advance(time.Second)
	assert.Equal(t, 401, a.do(http.MethodGet, ordersPath, "", "").status)
	assert.NotContains(t, a.log.String(), readToken)
}

func TestPermissions(t *testing.T) {
	a := startAPI(t)
	assert.Equal(t, 200, a.do(http.MethodGet, testOrderPath, actToken, "").status)
	for _, action := range []string{"check", "override", "comment"} {
		path := testOrderPath + "/" + action
		got := a.do(http.MethodPost, path, readToken, `{"text":"x"}`)
		assert.Equal(t, 403, got.status, "this token may only read")
		a.advance(time.Second)
		assert.Equal(t, 401, a.do(http.MethodPost, path, "", "{}").status)
	}
	assert.Len(t, a.orders.Order.Timeline, 1)
}

func TestAPIIsOff(t *testing.T) {
	a := startAPIWith(t, "")
	got := a.get(ordersPath)
	assert.Equal(t, 401, got.status)
	assert.Contains(t, got.problem(t).Detail, "The API is off")
	assert.Equal(t, 200, a.do(http.MethodGet, descriptionPath, "", "").status)
}

func TestLimitOfWrongTokens(t *testing.T) {
	a := startAPI(t)
	fail := func() response { return a.do(http.MethodGet, testOrderPath, "wrong", "") }
	for range failureBurst {
		require.Equal(t, 401, fail().status)
	}
	got := fail()
	require.Equal(t, 429, got.status)
	assert.Equal(t, "1", got.header.Get("Retry-After"))
	assert.Equal(t, 200, a.get(testOrderPath).status, "the same address, but a valid token")
	a.from = netip.MustParseAddr("192.0.2.2")
	assert.Equal(t, 401, fail().status, "another address")
	a.from = netip.MustParseAddr("192.0.2.1")
	a.advance(time.Second)
	assert.Equal(t, 401, fail().status)
}

func TestLimitOfATokenWithRequests(t *testing.T) {
	a := startAPI(t)
	limiter := a.tokens.tokens.Get().find(readToken).limiter
	require.True(t, limiter.AllowN(a.time, limiter.Burst()))
	got := a.get(testOrderPath)
	assert.Equal(t, 429, got.status)
	assert.Equal(t, "1", got.header.Get("Retry-After"))
	assert.Equal(t, 429, a.get(ordersPath).status)
	assert.Equal(t, 200, a.do(http.MethodGet, testOrderPath, actToken, "").status, "another token")

	limiter = a.tokens.tokens.Get().find(actToken).limiter
	require.True(t, limiter.AllowN(a.time, limiter.Burst()-1))
	for _, action := range []string{"check", "override", "comment"} {
		assert.Equal(t, 429, a.post(action, "").status)
	}
	a.advance(time.Second)
	assert.Equal(t, 200, a.get(testOrderPath).status)
}
