package pages

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"error-check-gate/desk/orders"
	"error-check-gate/desk/orders/orderstest"
)

// everyAction returns a valid form for each action.
func everyAction() map[string]url.Values {
	return map[string]url.Values{
		"/check":    {},
		"/comment":  {"text": {"hello"}},
		"/override": {"finding": {"all"}, "reason": {"because"}, "until": {"2999-01-01"}},
	}
}

func TestFormsOfOtherSitesDoNothing(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss := d.as(testManager)
	for _, header := range []http.Header{
		{"Sec-Fetch-Site": {"cross-site"}},
		{"Sec-Fetch-Site": {"same-site"}},
		{"Origin": {"https://evil.example"}},
		{"Origin": {"null"}},
	} {
		boss.header = header
		for action, form := range everyAction() {
			got := boss.post(testOrderPath+action, form)
			assert.Equal(t, http.StatusForbidden, got.status, header)
			assert.Contains(t, got.body, "Nothing was done")
		}
		assert.Equal(t, http.StatusForbidden, boss.post("/sign-out", nil).status)
	}
	d.assertUntouched()
	boss.header = http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {d.http.URL}}
	assert.Equal(t, http.StatusSeeOther, boss.post(testOrderPath+"/check", nil).status)
}

func TestFormCannotNameAnotherPerson(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss := d.as(testManager)
	for _, action := range []string{"/comment", "/override"} {
		form := everyAction()[action]
		form.Set("by", "the.president@example.com")
		got := boss.post(testOrderPath+action+"?by=the.president@example.com", form)
		assert.Equal(t, http.StatusSeeOther, got.status)
	}
	page := boss.get(testOrderPath).body
	assert.NotContains(t, page, "president")
	assert.Equal(t, testManager, d.orders.Order.Findings[0].Override.By)
	assert.Contains(t, page, testManager)
}

func TestWhoMayAct(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	stranger, reader, rep := d.visitor(), d.as(testReader), d.byLink(testRep)
	got := stranger.post(testOrderPath+"/check", nil)
	assert.Equal(t, http.StatusSeeOther, got.status)
	signIn := "/sign-in?next=" + url.QueryEscape(testOrderPath)
	assert.Equal(t, signIn, got.header.Get("Location"))
	for _, action := range []string{"/comment", "/override"} {
		got := stranger.post(testOrderPath+action, everyAction()[action])
		assert.Equal(t, http.StatusForbidden, got.status)
		assert.Contains(t, got.body, signIn)
	}
	for _, v := range []*visitor{reader, rep} {
		assert.NotContains(t, v.get(testOrderPath).body, `name="reason"`, "not offered")
		got := v.post(testOrderPath+"/override", everyAction()["/override"])
		assert.Equal(t, http.StatusUnprocessableEntity, got.status)
		assert.Contains(t, got.body, "You may not take responsibility")
	}
	d.assertUntouched()
}

func TestRefusedFormsKeepWhatWasTyped(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss := d.as(testManager)
	kept := []string{"kept <b>"}
	price := []string{"price/1"}
	later := []string{"2999-01-01"}
	for fault, form := range map[string]url.Values{
		"Choose at least one error": {"reason": kept, "until": later},
		"Choose how long":           {"reason": kept, "finding": price},
		"tomorrow is not a date":    {"reason": kept, "finding": price, "until": {"tomorrow"}},
		"The end is in the past":    {"reason": kept, "finding": price, "until": {"2020-01-01"}},
		"too far in the future":     {"reason": kept, "finding": price, "until": {"9999-12-31"}},
		"Write a reason":            {"finding": price, "until": later},
		"reason has 2001 characters": {
			"reason": {strings.Repeat("ü", 2001)}, "finding": price, "until": later,
		},
	} {
		got := boss.post(testOrderPath+"/override", form)
		assert.Equal(t, http.StatusUnprocessableEntity, got.status, fault)
		assert.Contains(t, got.body, fault)
		assert.Contains(t, got.body, `role="alert"`)
		if strings.HasPrefix(form.Get("reason"), "kept") {
			assert.Contains(t, got.body, "kept &lt;b&gt;</textarea>")
		}
		if form.Has("finding") {
			assert.Contains(t, got.body, `value="price/1" checked`)
		}
	}
	const blank = " \n\u200b"
	for text, fault := range map[string]string{
		blank: "Write a comment", strings.Repeat("x", 10_000): "text has 10000 characters",
	} {
		got := boss.post(testOrderPath+"/comment", url.Values{"text": {text}})
		assert.Equal(t, http.StatusUnprocessableEntity, got.status)
		assert.Contains(t, got.body, fault)
		assert.Contains(t, got.body, text+"</textarea>")
	}
	d.assertUntouched()
}

func TestOddForms(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss := d.as(testManager)
	huge := boss.post(testOrderPath+"/comment", url.Values{"text": {strings.Repeat("x", maxForm)}})
	assert.Equal(t, http.StatusRequestEntityTooLarge, huge.status)
	assert.Contains(t, huge.body, "This text is too long")
	for contentType, body := range map[string]string{
		"application/x-www-form-urlencoded":          "text=%zz",
		"application/x-www-form-urlencoded; charset": "text=a",
		"application/json":                           `{"text":"a"}`,
		"multipart/form-data":                        "text=a",
		"":                                           "text=a",
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
			d.http.URL+testOrderPath+"/comment", strings.NewReader(body))
		if assert.NoError(t, err) {
			request.Header.Set("Content-Type", contentType)
			got, err := boss.client.Do(request)
			assert.NoError(t, err)
			assert.NoError(t, got.Body.Close())
			assert.Contains(t, []int{http.StatusBadRequest, http.StatusUnprocessableEntity},
				got.StatusCode, contentType)
		}
	}
	d.assertUntouched()

	// If a field comes twice, its first text and its last end count.
	got := boss.post(testOrderPath+"/override", url.Values{
		"finding": {"price/1", "price/1"}, "reason": {"first", "second"},
		"until": {"2998-01-01", " ", "2999-01-01", ""},
	})
	assert.Equal(t, http.StatusSeeOther, got.status)
	override := d.orders.Order.Findings[0].Override
	assert.Equal(t, "first", override.Reason)
	assert.Equal(t, "2999-01-02", override.Until.Format("2006-01-02"))
	got = boss.post(testOrderPath+"/comment", url.Values{"text": {"a\r\nb\xff\x00"}})
	assert.Equal(t, http.StatusSeeOther, got.status)
	assert.Equal(t, http.StatusOK, boss.get(testOrderPath).status)
}

// TestTypedTextIsNotLost checks that a text survives if the session has expired, or if the desk
// does not answer.
func TestTypedTextIsNotLost(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss := d.as(testManager)
	for field, form := range map[string]url.Values{
		"text":   {"text": {"a long <story>"}},
		"reason": {"reason": {"a long <story>"}, "finding": {"all"}, "until": {"2999-01-01"}},
	} {
		path := testOrderPath + map[string]string{"text": "/comment", "reason": "/override"}[field]
		got := d.visitor().post(path, form)
		assert.Equal(t, http.StatusForbidden, got.status)
		assert.Contains(t, got.body, "a long &lt;story&gt;</textarea>")
		assert.Contains(t, got.body, `href="/sign-in?next=`+url.QueryEscape(testOrderPath))
		d.assertUntouched()

		for _, err := range []error{orders.ErrUnavailable, orders.ErrRunEnded} {
			d.orders.ActErr = fmt.Errorf("%w: the reason is for the log", err)
			got = boss.post(path, form)
			assert.Equal(t, http.StatusServiceUnavailable, got.status)
			assert.Contains(t, got.body, "a long &lt;story&gt;</textarea>")
			assert.Contains(t, got.body, "We do not know if this was done")
			assert.NotContains(t, got.body, "the reason is for the log")
		}
		d.orders.ActErr = nil
	}
}

func TestRuleThatNobodyCanOverride(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	d.orders.Order.NotOverridable = []string{"price"}
	page := d.as(testManager).get(testOrderPath).body
	assert.NotContains(t, page, `name="reason"`)
	assert.Contains(t, page, "Nobody can take responsibility for this error")
}

// TestActionsCanBeVisited visits the address that a refused action leaves in the address bar.
func TestActionsCanBeVisited(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss := d.as(testManager)
	for action := range everyAction() {
		got := boss.get(testOrderPath + action)
		assert.Equal(t, http.StatusSeeOther, got.status)
		assert.Equal(t, testOrderPath, got.header.Get("Location"))
	}
	d.assertUntouched()
}

func TestManyPeopleAtOnce(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss, rep := d.as(testManager), d.byLink(testRep)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			assert.Equal(t, http.StatusOK, boss.get("/?q="+fmt.Sprint(i)).status)
			assert.Equal(t, http.StatusOK, rep.get(testOrderPath).status)
			comment := url.Values{"text": {fmt.Sprint("comment ", i)}}
			got := rep.post(testOrderPath+"/comment", comment)
			assert.Equal(t, http.StatusSeeOther, got.status)
			got = boss.post(testOrderPath+"/override", everyAction()["/override"])
			assert.Equal(t, http.StatusSeeOther, got.status)
		})
	}
	all.Wait()
	page := boss.get(testOrderPath).body
	for i := range 8 {
		assert.Contains(t, page, fmt.Sprint("comment ", i))
	}
	assert.Equal(t, orderstest.ID, d.orders.Order.SalesOrderID)
}
