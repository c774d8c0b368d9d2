package pages

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/desk/orders/orderstest"
	"error-check-gate/internal/desklink"
)

const otherID = "1e2d3c4b-0000-4000-8000-00000000000a"

func TestLinksThatDoNotWork(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	foreign, err := desklink.New([]string{"the secret of another company!!!"}, time.Hour)
	require.NoError(t, err)
	forged, err := foreign.Sign(orderstest.ID, testRep, time.Now())
	require.NoError(t, err)
	expired, err := d.links.Sign(orderstest.ID, testRep, time.Now().Add(-2*time.Hour))
	require.NoError(t, err)
	good := d.key(orderstest.ID, testRep)
	for name, key := range map[string]string{
		"forged": forged, "expired": expired, "for another order": d.key(otherID, testRep),
		"cut off": good[:len(good)-1], "longer": good + "A", "garbage": "%00%ff",
		"huge": strings.Repeat("A", 8000), "one letter": "x",
	} {
		v := d.visitor()
		got := v.get(testOrderPath + "?k=" + key)
		assert.Equal(t, http.StatusForbidden, got.status, name)
		title := "This link does not work"
		if name == "expired" {
			title = "This link has expired"
		}
		assert.Contains(t, got.body, "<h1>"+title, name)
		assert.Empty(t, got.header.Get("Set-Cookie"), name)
		assert.Equal(t, http.StatusSeeOther, v.get(testOrderPath).status, name)
		assert.NotContains(t, got.body, orderstest.Number)
		// A key in a cookie must be good too.
		v.header.Set("Cookie", linkCookie+"="+orderstest.ID+"="+key)
		got = v.post(testOrderPath+"/comment", url.Values{"text": {"x"}})
		assert.Equal(t, http.StatusForbidden, got.status, name)
	}
	d.assertUntouched()
}

func TestLinkOpensOneOrderForOneReceiver(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	rep := d.byLink(testRep)
	for _, address := range []string{
		"/", "/rules", "/?format=csv", "/orders/" + otherID, "/orders/" + orderstest.Number,
	} {
		got := rep.get(address)
		assert.Equal(t, http.StatusSeeOther, got.status, address)
		assert.True(t, strings.HasPrefix(got.header.Get("Location"), "/sign-in?next="), address)
	}
	for action, form := range everyAction() {
		got := rep.post("/orders/"+otherID+action, form)
		assert.Contains(t, []int{http.StatusSeeOther, http.StatusForbidden}, got.status)
	}
	d.assertUntouched()
	good := d.key(orderstest.ID, testRep)
	page := rep.get(testOrderPath).body
	assert.Contains(t, page, "Acting as <strong><bdi>"+testRep)
	assert.NotContains(t, page, good, "no page has the key")

	got := rep.get(testOrderPath + "?k=" + good + "&next=https://evil.example")
	assert.Equal(t, testOrderPath, got.header.Get("Location"), "the key leaves the address")
}

// TestLinkWithAnIDInUpperCase follows a link to the same order, written differently.
func TestLinkWithAnIDInUpperCase(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	v := d.visitor()
	upper := "/orders/" + strings.ToUpper(orderstest.ID)
	got := v.get(upper + "?k=" + d.key(orderstest.ID, testRep))
	assert.Equal(t, testOrderPath, got.header.Get("Location"))
	assert.Equal(t, http.StatusOK, v.get(testOrderPath).status)
	got = v.post(testOrderPath+"/comment", url.Values{"text": {"x"}})
	assert.Equal(t, http.StatusSeeOther, got.status)
}

// TestLinkOfAnIDThatIsANumber follows a link to an order whose id is the number of another order.
func TestLinkOfAnIDThatIsANumber(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	v := d.visitor()
	page := "/orders/" + orderstest.Number
	got := v.get(page + "?k=" + d.key(orderstest.Number, testRep))
	require.Equal(t, http.StatusSeeOther, got.status)
	assert.NotContains(t, v.get(page).body, "too cheap")
	v.post(page+"/comment", url.Values{"text": {"hello"}})
	d.assertUntouched()
}

func TestCookieOfLinksStaysSmall(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	v := d.visitor()
	receiver := strings.Repeat("r", 200) + "@example.com"
	for i := range 20 {
		id := fmt.Sprintf("0f1c3a52-7c7f-4d0e-9d2e-%012d", i)
		got := v.get("/orders/" + id + "?k=" + d.key(id, receiver))
		assert.Less(t, len(got.header.Get("Set-Cookie")), 4000)
	}
	got := v.get(testOrderPath + "?k=" + d.key(orderstest.ID, testRep))
	assert.Equal(t, http.StatusSeeOther, got.status)
	assert.Equal(t, http.StatusOK, v.get(testOrderPath).status, "the latest link works")
	cookie := got.header.Get("Set-Cookie")
	for _, want := range []string{"__Host-", "; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"} {
		assert.Contains(t, cookie, want)
	}
	assert.NotContains(t, cookie, "Domain=")
}
