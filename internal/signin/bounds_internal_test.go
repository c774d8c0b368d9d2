package signin

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestLimiterKeepsBoundedState(t *testing.T) {
	t.Parallel()
	evicting := newLimiter(2, time.Minute, 100, true)
	strict := newLimiter(2, time.Minute, 100, false)
	for i := range 10_000 {
		key := fmt.Sprint(i)
		_, ok := evicting.take(key, noon)
		assert.True(t, ok)
		_, ok = strict.take(key, noon)
		assert.Equal(t, i < 100, ok, "without eviction a flood gets nobody more than the limit")
	}
	for _, l := range []*limiter{evicting, strict} {
		assert.Len(t, l.uses, 100)
		assert.Equal(t, 100, l.recent.Len())
	}
	_, ok := strict.take("0", noon)
	assert.True(t, ok)
	wait, ok := strict.take("0", noon.Add(time.Second))
	assert.False(t, ok)
	assert.Equal(t, 59*time.Second, wait)
	_, ok = strict.take("new", noon.Add(time.Minute))
	assert.True(t, ok)
	assert.Len(t, strict.uses, 1, "expired uses are forgotten")
}

func TestLimiterCountsAnyPeriod(t *testing.T) {
	t.Parallel()
	l := newLimiter(3, time.Minute, 10, true)
	var allowed []time.Time
	for second := range 600 {
		now := noon.Add(time.Duration(second) * time.Second)
		if _, ok := l.take("peer", now); ok {
			allowed = append(allowed, now)
		}
	}
	assert.Len(t, allowed, 30)
	for i := range allowed[3:] {
		assert.GreaterOrEqual(t, allowed[i+3].Sub(allowed[i]), time.Minute)
	}
}

func TestRevocationsKeepBoundedState(t *testing.T) {
	t.Parallel()
	v := newRevocations()
	for i := range 2 * maxRevoked {
		v.add(fmt.Sprint(i), noon.Add(time.Duration(i)*time.Millisecond), noon.Add(-time.Hour))
		if i == maxRevoked+3 {
			break
		}
	}
	assert.Len(t, v.ids, maxRevoked)
	assert.False(t, v.has("0", noon.Add(-time.Hour)), "forgets what expires first")
	assert.True(t, v.has(fmt.Sprint(maxRevoked), noon))
	assert.False(t, v.has(fmt.Sprint(maxRevoked), noon.Add(time.Hour)))
	v.add("later", noon.Add(2*time.Hour), noon.Add(time.Hour))
	assert.Len(t, v.ids, 1)
}

func TestConnectionPeer(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.1:1234":                 "192.0.2.1",
		"[::ffff:192.0.2.1]:1234":        "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:1234":    "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::%eth0]:1":   "2001:db8:1:2::/64",
		"@":                              "unknown",
		"":                               "unknown",
		"[fe80::1%25evil.example]:65535": "fe80::/64",
	} {
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {"198.51.100.1"}}}
		assert.Equal(t, want, connectionPeer(r), remote)
	}
}

func TestVerifiedAddresses(t *testing.T) {
	t.Parallel()
	const (
		google    = "https://accounts.google.com"
		microsoft = "https://login.microsoftonline.com/0000/v2.0"
	)
	yes, no := claimBool(true), claimBool(false)
	for _, test := range []struct {
		issuer string
		claims identity
		want   bool
	}{
		{google, identity{EmailVerified: &yes}, true},
		{google, identity{EmailVerified: &no}, false},
		{google, identity{}, false},
		{google, identity{DomainVerified: true}, false},
		{microsoft, identity{DomainVerified: true}, true},
		{microsoft, identity{DomainVerified: true, EmailVerified: &no}, false},
		{microsoft, identity{}, false},
		{"https://login.microsoftonline.com.evil.example", identity{DomainVerified: true}, false},
	} {
		assert.Equal(t, test.want, test.claims.verified(test.issuer), "%s %+v", test.issuer, test.claims)
	}
	for text, want := range map[string]bool{
		"true": true, `"true"`: true, "1": true, `"1"`: true,
		"false": false, `"false"`: false, "0": false, `"yes"`: false, "null": false,
		"{}": false, "[true]": false, "2": false,
	} {
		var b claimBool
		assert.NoError(t, b.UnmarshalJSON([]byte(text)))
		assert.Equal(t, want, bool(b), text)
	}
}
