package signin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"error-check-gate/internal/signin"
)

func TestSessionEndsAfterTwelveHours(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	b := d.signedIn(t, jane)
	d.clock.Advance(12*time.Hour - time.Minute)
	assert.Equal(t, "mail "+jane+" may override", b.who())
	d.clock.Advance(time.Minute)
	assert.Equal(t, "nobody", b.who())
}

func TestSignOutEndsCopiesOfTheCookie(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	b, elsewhere := d.signedIn(t, jane), d.signedIn(t, jane)
	copied := b.cookie("__Host-desk")
	thief := d.browser(t)
	thief.setCookie("__Host-desk", copied)
	assert.Equal(t, "mail "+jane+" may override", thief.who())

	put := b.do(b.request(http.MethodPut, "/sign-out", nil))
	assert.Equal(t, http.StatusMethodNotAllowed, put.status)
	b.get("/sign-out")
	assert.Equal(t, "mail "+jane+" may override", b.who(), "a link or a picture signs nobody out")

	out := b.post("/sign-out")
	assert.Equal(t, http.StatusOK, out.status)
	assert.Contains(t, out.body, "You are signed out.")
	assert.Empty(t, b.cookie("__Host-desk"))
	assert.Equal(t, "nobody", b.who())
	assert.Equal(t, "nobody", thief.who())
	assert.Equal(t, "mail "+jane+" may override", elsewhere.who(), "only this session ended")
	assert.Equal(t, http.StatusOK, d.browser(t).post("/sign-out").status,
		"people without a session may sign out too")
}

func TestSigningInAgainEndsThePreviousSession(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	b := d.signedIn(t, jane)
	thief := d.browser(t)
	thief.setCookie("__Host-desk", b.cookie("__Host-desk"))
	b.post(d.link(t, "jim@ours.example", "/"))
	assert.Equal(t, "mail jim@ours.example", b.who())
	assert.Equal(t, "nobody", thief.who())
}

func TestSecretsAreRotated(t *testing.T) {
	t.Parallel()
	const newest = "the newest secret, thirty-two bytes or more"
	with := func(secrets ...string) *desk {
		return newDesk(t, func(o *signin.Options) { o.Secrets = secrets })
	}
	before, during, after := with(secret), with(newest, secret), with(newest)
	take := func(from *desk) (session, link string) {
		link = strings.TrimPrefix(from.link(t, jane, "/"), from.URL)
		return from.signedIn(t, jane).cookie("__Host-desk"), link
	}
	who := func(at *desk, session string) string {
		b := at.browser(t)
		b.setCookie("__Host-desk", session)
		return b.who()
	}
	old, oldLink := take(before)
	assert.Equal(t, "mail "+jane+" may override", who(during, old))
	assert.Equal(t, http.StatusOK, during.browser(t).post(oldLink).status)
	fresh, freshLink := take(during)
	assert.Equal(t, "mail "+jane+" may override", who(after, fresh))
	assert.Equal(t, http.StatusOK, after.browser(t).post(freshLink).status)

	assert.Equal(t, "nobody", who(after, old), "a session of a removed secret")
	assert.Equal(t, http.StatusBadRequest, after.browser(t).post(oldLink).status)
	assert.Equal(t, "nobody", who(before, fresh))
}

func TestPeopleAreLookedUpAtEachRequest(t *testing.T) {
	t.Parallel()
	session := newDesk(t, nil).signedIn(t, jane).cookie("__Host-desk")
	for _, test := range []struct {
		people, mayOverride []string
		want                string
	}{
		{[]string{jane}, nil, "mail " + jane + " may override"},
		{[]string{"@example.com"}, nil, "mail " + jane + " may override"},
		{[]string{" Jane@EXAMPLE.com "}, []string{"@Example.com"}, "mail " + jane + " may override"},
		{[]string{jane}, []string{}, "mail " + jane},
		{[]string{jane}, []string{"jim@example.com"}, "mail " + jane},
		{[]string{"jim@example.com"}, []string{jane}, "nobody"},
		{[]string{"@sub.example.com", "@ample.com"}, nil, "nobody"},
	} {
		d := newDesk(t, func(o *signin.Options) {
			o.People, o.MayOverride = test.people, test.mayOverride
		})
		b := d.browser(t)
		b.setCookie("__Host-desk", session)
		assert.Equal(t, test.want, b.who(), "%v", test.people)
	}
}

func TestForgedSessions(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	session := d.signedIn(t, jane).cookie("__Host-desk")
	for _, forged := range []string{
		"", "x", session[:len(session)-2], session[4:], session + session, strings.Repeat("A", 5000),
		`{"a":"` + jane + `"}`,
	} {
		b := d.browser(t)
		request := b.request(http.MethodGet, "/who", nil)
		request.Header.Set("Cookie", "__Host-desk="+forged)
		assert.Equal(t, http.StatusUnauthorized, b.do(request).status, "%q", forged)
	}
	b := d.browser(t)
	b.setCookie("desk", session)
	assert.Equal(t, "nobody", b.who(), "another cookie")
}

func TestNobodySignsInWithoutAMode(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(o *signin.Options) {
		*o = signin.Options{Mode: signin.ModeNone, Render: o.Render}
	})
	b := d.browser(t)
	assert.Equal(t, "none  may override", b.who())
	assert.Contains(t, b.get("/sign-in").body, "You do not have to sign in here")
	known, mayOverride := d.service.Allowed("anybody@example.com")
	assert.True(t, known && mayOverride)
	for _, answer := range []page{
		b.post("/sign-in", "email", jane), b.get("/sign-in/key"), b.post("/sign-in/key"),
		b.get("/sign-in/oidc"),
	} {
		assert.Equal(t, http.StatusNotFound, answer.status)
	}
	assert.Equal(t, http.StatusOK, b.post("/sign-out").status)
}

func TestAllowed(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	for address, want := range map[string]string{
		jane: "true true", "JANE@example.com": "true true", "jim@ours.example": "true false",
		"jack@example.com": "false false", "": "false false", "@ours.example": "false false",
		"jim@sub.ours.example": "false false", "jim@ours.example@evil.example": "false false",
		"jim@evil.example@ours.example": "false false",
	} {
		known, mayOverride := d.service.Allowed(address)
		assert.Equal(t, want, fmt.Sprint(known, mayOverride), address)
	}
}

func TestServicePrintsNoSecret(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		assert.Equal(t, "signin.Service", fmt.Sprintf(verb, d.service))
	}
}
