package desk

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/desklink"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/signin"
)

const testOrderPath = "/orders/" + testOrderID

func everyAction() map[string]url.Values {
	return map[string]url.Values{
		"/check":    {},
		"/comment":  {"text": {"hello"}},
		"/override": {"finding": {"all"}, "reason": {"because"}, "until": {"2999-01-01"}},
	}
}

// untouched asserts that nobody did anything to the order.
func (d *testDesk) untouched() {
	d.t.Helper()
	d.orders.mu.Lock()
	defer d.orders.mu.Unlock()
	assert.Equal(d.t, newFakeOrders().order, d.orders.order)
	assert.Zero(d.t, d.orders.checks)
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
			answer := boss.post(testOrderPath+action, form)
			assert.Equal(t, http.StatusForbidden, answer.status, header)
			assert.Contains(t, string(answer.body), "Nothing was done")
		}
		assert.Equal(t, http.StatusForbidden, boss.post("/sign-out", nil).status)
	}
	d.untouched()
	boss.header = http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {d.http.URL}}
	assert.Equal(t, http.StatusSeeOther, boss.post(testOrderPath+"/check", nil).status)
}

// A desk without signing in is for this machine. A web page elsewhere reaches it under a name of its
// own that resolves to 127.0.0.1, and browsers then take it for one site.
func TestDeskWithoutSigningInAnswersThisMachineOnly(t *testing.T) {
	t.Parallel()
	d := startDesk(t, func(o *Options) { o.SignIn = signin.Options{Mode: signin.ModeNone} })
	v := d.visitor()
	assert.Equal(t, http.StatusOK, v.get(testOrderPath).status)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.http.URL+testOrderPath, nil)
	require.NoError(t, err)
	request.Host = "rebound.example:5030"
	answer, err := v.client.Do(request)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, http.StatusMisdirectedRequest, answer.StatusCode)
}

func TestWhoActsIsNoFormField(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss := d.as(testManager)
	for _, action := range []string{"/comment", "/override"} {
		form := everyAction()[action]
		form.Set("by", "the.president@example.com")
		assert.Equal(t, http.StatusSeeOther, boss.post(testOrderPath+action+"?by=the.president@example.com", form).status)
	}
	page := string(boss.get(testOrderPath).body)
	assert.NotContains(t, page, "president")
	assert.Equal(t, testManager, d.orders.order.Findings[0].Override.By)
	assert.Contains(t, page, testManager)
}

func TestRefusedActions(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	stranger, reader, rep := d.visitor(), d.as(testReader), d.byLink(testRep)
	for action, form := range everyAction() {
		answer := stranger.post(testOrderPath+action, form)
		assert.Equal(t, http.StatusSeeOther, answer.status)
		assert.Equal(t, "/sign-in?next="+url.QueryEscape(testOrderPath), answer.header.Get("Location"))
	}
	for _, v := range []*visitor{reader, rep} {
		page := string(v.get(testOrderPath).body)
		assert.NotContains(t, page, `name="reason"`, "what somebody may not do is not offered")
		answer := v.post(testOrderPath+"/override", everyAction()["/override"])
		assert.Equal(t, http.StatusUnprocessableEntity, answer.status)
		assert.Contains(t, string(answer.body), "You may not take responsibility")
	}
	boss := d.as(testManager)
	for name, form := range map[string]url.Values{
		"Choose at least one error":  {"reason": {"kept <b>"}, "until": {"2999-01-01"}},
		"Choose how long":            {"reason": {"kept <b>"}, "finding": {"price/1"}},
		"is no date":                 {"reason": {"kept <b>"}, "finding": {"price/1"}, "until": {"tomorrow"}},
		"The end is in the past":     {"reason": {"kept <b>"}, "finding": {"price/1"}, "until": {"2020-01-01"}},
		"Write a reason":             {"finding": {"price/1"}, "until": {"2999-01-01"}},
		"reason has 2001 characters": {"reason": {strings.Repeat("ü", 2001)}, "finding": {"price/1"}, "until": {"2999-01-01"}},
	} {
		answer := boss.post(testOrderPath+"/override", form)
		page := string(answer.body)
		assert.Equal(t, http.StatusUnprocessableEntity, answer.status, name)
		assert.Contains(t, page, name)
		assert.Contains(t, page, `role="alert"`)
		if strings.HasPrefix(form.Get("reason"), "kept") {
			assert.Contains(t, page, "kept &lt;b&gt;</textarea>", "what was typed stays")
		}
		if form.Has("finding") {
			assert.Contains(t, page, `value="price/1" checked`)
		}
	}
	answer := boss.post(testOrderPath+"/comment", url.Values{"text": {" \n\u200b"}})
	assert.Equal(t, http.StatusUnprocessableEntity, answer.status)
	assert.Contains(t, string(answer.body), "Write a comment")
	answer = boss.post(testOrderPath+"/comment", url.Values{"text": {strings.Repeat("x", maxForm)}})
	assert.Equal(t, http.StatusRequestEntityTooLarge, answer.status)
	d.orders.mu.Lock()
	assert.Equal(t, newFakeOrders().order, d.orders.order)
	d.orders.mu.Unlock()
}

func TestRuleThatNobodyCanOverride(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	d.orders.order.NotOverridable = []string{"price"}
	page := string(d.as(testManager).get(testOrderPath).body)
	assert.NotContains(t, page, `name="reason"`)
	assert.Contains(t, page, "Nobody can take responsibility for this one")
}

// After a refused action the address names the action. Signing in, or Enter in the address bar, asks
// for it without a form.
func TestActionsLeadBackToTheOrder(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss := d.as(testManager)
	for action := range everyAction() {
		answer := boss.get(testOrderPath + action)
		assert.Equal(t, http.StatusSeeOther, answer.status)
		assert.Equal(t, testOrderPath, answer.header.Get("Location"))
	}
	d.untouched()
}

func TestLinksOpenOneOrderForOneReceiver(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	other := "1e2d3c4b-0000-4000-8000-00000000000a"
	foreign, err := desklink.New([]string{"the secret of another company!!!"}, time.Hour)
	require.NoError(t, err)
	forged, err := foreign.Sign(testOrderID, testRep, time.Now())
	require.NoError(t, err)
	old, err := d.links.Sign(testOrderID, testRep, time.Now().Add(-2*time.Hour))
	require.NoError(t, err)
	good := d.key(testOrderID, testRep)
	for name, key := range map[string]string{
		"forged": forged, "expired": old, "another order's": d.key(other, testRep), "cut off": good[:len(good)-1],
		"longer": good + "A", "garbage": "%00%ff", "huge": strings.Repeat("A", 8000), "one letter": "x",
	} {
		v := d.visitor()
		answer := v.get(testOrderPath + "?k=" + key)
		assert.Equal(t, http.StatusForbidden, answer.status, name)
		assert.Empty(t, answer.header.Get("Set-Cookie"), name)
		assert.Equal(t, http.StatusSeeOther, v.get(testOrderPath).status, name)
		assert.NotContains(t, string(answer.body), testOrderNumber)
		// The same as a cookie that somebody made.
		v.header.Set("Cookie", linkCookie+"="+testOrderID+"="+key)
		assert.Equal(t, http.StatusSeeOther, v.post(testOrderPath+"/comment", url.Values{"text": {"x"}}).status, name)
	}
	rep := d.byLink(testRep)
	for _, address := range []string{"/", "/rules", "/?format=csv", "/orders/" + other, "/orders/" + testOrderNumber} {
		answer := rep.get(address)
		assert.Equal(t, http.StatusSeeOther, answer.status, address)
		assert.True(t, strings.HasPrefix(answer.header.Get("Location"), "/sign-in?next="), address)
	}
	for action, form := range everyAction() {
		assert.Equal(t, http.StatusSeeOther, rep.post("/orders/"+other+action, form).status)
	}
	d.untouched()
	page := string(rep.get(testOrderPath).body)
	assert.Contains(t, page, "Acting as <strong><bdi>"+testRep)
	assert.NotContains(t, page, good, "the key is in no page")

	answer := rep.get(testOrderPath + "?k=" + good + "&next=https://evil.example")
	assert.Equal(t, testOrderPath, answer.header.Get("Location"), "the key is taken out of the address")
}

// A link is for the order that it names, also if that is another one's number.
func TestLinkOfAnIDThatIsAnothersNumber(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	v := d.visitor()
	require.Equal(t, http.StatusSeeOther, v.get("/orders/"+testOrderNumber+"?k="+d.key(testOrderNumber, testRep)).status)
	answer := v.get("/orders/" + testOrderNumber)
	assert.NotContains(t, string(answer.body), "too cheap")
	v.post("/orders/"+testOrderNumber+"/comment", url.Values{"text": {"hello"}})
	d.untouched()
}

func TestCookieOfLinksStaysSmall(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	v := d.visitor()
	receiver := strings.Repeat("r", 200) + "@example.com"
	for i := range 20 {
		id := fmt.Sprintf("0f1c3a52-7c7f-4d0e-9d2e-%012d", i)
		answer := v.get("/orders/" + id + "?k=" + d.key(id, receiver))
		assert.Less(t, len(answer.header.Get("Set-Cookie")), 4000)
	}
	answer := v.get(testOrderPath + "?k=" + d.key(testOrderID, testRep))
	assert.Equal(t, http.StatusSeeOther, answer.status)
	assert.Equal(t, http.StatusOK, v.get(testOrderPath).status, "the latest link works")
	cookie := answer.header.Get("Set-Cookie")
	for _, want := range []string{"__Host-", "; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"} {
		assert.Contains(t, cookie, want)
	}
	assert.NotContains(t, cookie, "Domain=")
}

// hostile are texts as no person writes them.
func hostile() map[string]string {
	return map[string]string{
		"markup":     `"><script>alert(1)</script><img src=x onerror=alert(1)>'` + "`{{.}}",
		"long":       strings.Repeat("W", 10_000),
		"rtl":        "abc\u202edef\u2066ghi",
		"javascript": "javascript:alert(1)",
		"control":    "a\x00b\r\nSet-Cookie: c=d\x1b[31m\u2028",
		"no UTF-8":   "a\xff\xfe\xc0b",
	}
}

// hostileOrder has a text in each field.
func hostileOrder(text string) Order {
	o := newFakeOrders().order
	at := o.CheckedAt
	o.OrderNumber, o.Customer, o.SalesRep, o.Note = text, text, text, text
	f := &o.Findings[0]
	f.ID, f.RuleID, f.Message, f.Expected, f.Actual, f.Fix = text, text, text, text, text, text
	f.Override = &ordercheck.Override{By: text, Reason: text, Until: at}
	o.Findings = append(o.Findings, *f)
	o.Findings[1].Severity = ordercheck.SeverityWarning
	o.RuleErrors = []ordercheck.RuleError{{RuleID: text, Error: text}}
	o.Skipped = []ordercheck.Skipped{{RuleID: text, Reason: text, Missing: []string{text}}}
	o.Timeline = nil
	for _, kind := range []ordercheck.TimelineKind{
		ordercheck.TimelineCommented, ordercheck.TimelineNotified, ordercheck.TimelineChecked, ordercheck.TimelineKind(text),
	} {
		o.Timeline = append(o.Timeline, ordercheck.TimelineEntry{At: at, Kind: kind, Text: text, By: text})
	}
	return o
}

func hostileRow(text string) Row {
	return Row{
		SalesOrderID: testOrderID, OrderNumber: text, Customer: text, SalesRep: text, Status: ordercheck.StatusFailed,
		Since: time.Now(), Errors: 2, FailedRules: []string{text}, First: text,
	}
}

func TestHostileTextsAreEscaped(t *testing.T) {
	t.Parallel()
	for name, text := range hostile() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDesk(t)
			boss := d.as(testManager)
			d.orders.order = hostileOrder(text)
			d.list(hostileRow(text))
			pages := []answered{
				boss.get(testOrderPath), boss.get("/"), boss.get("/?q=" + url.QueryEscape(text[:min(len(text), 300)])),
				boss.post(testOrderPath+"/override", url.Values{"finding": {text}, "reason": {text}, "until": {text}}),
				boss.get("/?rep=" + url.QueryEscape(text[:min(len(text), 300)])),
			}
			for _, answer := range pages {
				page := string(answer.body)
				for _, bad := range []string{"<script>", "<img", `href="javascript:`, "onerror=alert(1)>'"} {
					assert.NotContains(t, page, bad)
				}
				assert.Equal(t, 1, strings.Count(page, "<h1"))
				assert.Equal(t, 1, strings.Count(page, "</html>"), "the page is whole")
			}
			assert.NotContains(t, string(pages[0].body), "Something went wrong")
		})
	}
}

func TestCSVRunsNoFormula(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	d.list(hostileRow(`=HYPERLINK("https://evil.example","x")`), hostileRow("\t=1+1"), hostileRow(" @SUM(1)"))
	answer := d.as(testManager).get("/?format=csv")
	assert.Contains(t, answer.header.Get("Content-Type"), "text/csv")
	assert.NotRegexp(t, `(?m)(^|,)"?\s*[=@]`, string(answer.body))
}

func TestOrderWithThousandsOfFindings(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	f := d.orders.order.Findings[0]
	d.orders.order.Findings = nil
	for i := range 500 {
		f.ID, f.LineNumber = fmt.Sprintf("price/%d", i), i+1
		d.orders.order.Findings = append(d.orders.order.Findings, f)
	}
	d.orders.order.FindingsOmitted = 1500
	answer := d.as(testManager).get(testOrderPath)
	assert.Equal(t, http.StatusOK, answer.status)
	assert.Less(t, len(answer.body), 1<<20)
	assert.Contains(t, string(answer.body), "1,500 more")
}

func TestOddAddresses(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss := d.as(testManager)
	long := strings.Repeat("x", 5000)
	for address, status := range map[string]int{
		"/orders/%2e%2e":                       http.StatusNotFound,
		"/orders/..%2f..%2frules":              http.StatusNotFound,
		"/orders/%ff%fe":                       http.StatusNotFound,
		"/orders/" + long:                      http.StatusNotFound,
		"/orders/%0d%0aSet-Cookie:%20a=b":      http.StatusNotFound,
		"/orders/" + long + "?k=x":             http.StatusSeeOther,
		"/orders/a/b/c":                        http.StatusNotFound,
		"/nothing":                             http.StatusNotFound,
		"/static/nothing":                      http.StatusNotFound,
		"/static/..%2fpages%2forder.html":      http.StatusNotFound,
		"/?page=0":                             http.StatusBadRequest,
		"/?page=-1":                            http.StatusBadRequest,
		"/?page=99999999999999999999":          http.StatusBadRequest,
		"/?page=400":                           http.StatusSeeOther,
		"/?page=1&page=x":                      http.StatusOK,
		"/?rep=" + strings.Repeat("r", 500):    http.StatusBadRequest,
		"/?status=nonsense":                    http.StatusBadRequest,
		"/?status=%ff":                         http.StatusBadRequest,
		"/?age=-1h":                            http.StatusBadRequest,
		"/?age=9999999999h":                    http.StatusBadRequest,
		"/?format=exe":                         http.StatusBadRequest,
		"/?q=%ff%zz;":                          http.StatusOK,
		"/sign-in?next=https://evil.example":   http.StatusSeeOther,
		"/sign-in?next=//evil.example":         http.StatusSeeOther,
		"/sign-in?next=/%5cevil.example":       http.StatusSeeOther,
		"/sign-in?next=%2f%09%2fevil.example/": http.StatusSeeOther,
	} {
		answer := boss.get(address)
		assert.Equal(t, status, answer.status, "%.60s", address)
		assert.LessOrEqual(t, len(answer.body), 20_000, "%.60s", address)
	}
	// The board has two pages.
	rows := make([]Row, 60)
	for i := range rows {
		rows[i] = Row{SalesOrderID: fmt.Sprint(i), Status: ordercheck.StatusFailed, Since: time.Now()}
	}
	d.list(rows...)
	assert.Equal(t, "/?page=2", boss.get("/?page=400").header.Get("Location"), "a list got shorter")
}

func TestOddMethods(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss := d.as(testManager)
	for _, address := range []string{"/", testOrderPath, "/rules", testOrderPath + "/check", "/sign-out", "/static/desk.css"} {
		for _, method := range []string{http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodTrace, "BREW"} {
			answer := boss.do(method, address, nil)
			assert.Equal(t, http.StatusMethodNotAllowed, answer.status, "%s %s", method, address)
			assert.NotEmpty(t, answer.header.Get("Allow"), "%s %s", method, address)
			assert.Empty(t, answer.header.Get("Access-Control-Allow-Origin"))
		}
	}
	for _, address := range []string{"/", testOrderPath, "/static/desk.css"} {
		answer := boss.do(http.MethodHead, address, nil)
		assert.Equal(t, http.StatusOK, answer.status, address)
		assert.Empty(t, answer.body)
	}
	d.untouched()
}

func TestTemporalAwayIsSaid(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss := d.as(testManager)
	d.orders.fails = fmt.Errorf("%w: the reason is for the log", ErrUnavailable)
	for _, answer := range []answered{boss.get(testOrderPath), boss.post(testOrderPath+"/comment", url.Values{"text": {"x"}})} {
		assert.Equal(t, http.StatusServiceUnavailable, answer.status)
		assert.NotEmpty(t, answer.header.Get("Retry-After"))
		assert.Contains(t, string(answer.body), "Nothing is lost")
		assert.NotContains(t, string(answer.body), "the reason is for the log")
	}
	d.board.latest.Store(&snapshot{
		rows: []Row{hostileRow("SO-1")}, at: time.Now().Add(-time.Hour), err: errors.New("away"), next: make(chan struct{}),
	})
	page := string(boss.get("/").body)
	assert.Contains(t, page, "Temporal does not answer")
	assert.Contains(t, page, "SO-1", "the latest list is better than none")
	d.orders.fails = nil
	assert.Equal(t, http.StatusOK, boss.get(testOrderPath).status)
}

func TestPanicIsAPlain500(t *testing.T) {
	t.Parallel()
	d := startDesk(t)
	boss := d.as(testManager)
	d.timeline = nil // a mistake in the code
	answer := boss.get(testOrderPath)
	assert.Equal(t, http.StatusInternalServerError, answer.status)
	assert.Equal(t, "text/plain; charset=utf-8", answer.header.Get("Content-Type"))
	assert.NotContains(t, string(answer.body), "goroutine")
	assert.NotContains(t, string(answer.body), "nil pointer")
	assert.Contains(t, d.log.String(), "panicked")
	assert.Equal(t, http.StatusOK, boss.get("/").status, "the process goes on")
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
			assert.Equal(t, http.StatusSeeOther, rep.post(testOrderPath+"/comment", url.Values{"text": {fmt.Sprint("comment ", i)}}).status)
			assert.Equal(t, http.StatusSeeOther, boss.post(testOrderPath+"/override", everyAction()["/override"]).status)
		})
	}
	all.Wait()
	page := string(boss.get(testOrderPath).body)
	for i := range 8 {
		assert.Contains(t, page, fmt.Sprint("comment ", i))
	}
}
