package notify_test

import (
	"encoding/json"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/mailcatcher"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/ordercheck"
)

const failedText = `This order is held: 2 errors must be fixed before goods leave.
Fix the order in InFlow and save it. It is then checked again automatically, and released when all its errors are gone.

Order     SO-000123
Customer  Acme Kitchens
Status    failed
Since     23 Nov 2026 11:20 UTC
InFlow    https://app.inflowinventory.com/sales-orders/8a3c6d4e-0000-4000-8000-000000000001
Run       https://temporal.example.com/namespaces/default/workflows/sales-order-8a3c6d4e-0000-4000-8000-000000000001/run-1/user-metadata

Errors

* line 2: The line's subtotal is not quantity × price less discount.
  Expected 15.00, is 10.00.
  Fix: Type the quantity again.
  (since 23 Nov 2026 11:30 UTC, rule line-subtotal)

* order: The PO number is missing.
  Fix: Ask the customer for it.
  (since 23 Nov 2026 11:20 UTC, rule po-number)

New errors, not confirmed yet

* order: The ship date has passed.
  It is confirmed at 23 Nov 2026 12:30 UTC, unless somebody fixes it first.
  (since 23 Nov 2026 12:00 UTC, rule ship-date)

Warnings

* order: There is no phone number.
  (since 23 Nov 2026 12:00 UTC, rule phone)

-- 
Error Check Gate · rule set cabinetry · checked 23 Nov 2026 12:00 UTC
`

func TestMailSaysWhatIsWrongAndHowToFixIt(t *testing.T) {
	t.Parallel()
	s := catcher(t, mailcatcher.Options{})
	require.NoError(t, send(t, to(s.SMTPAddr, jane), failed()))
	m := received(t, s)
	assert.Equal(t, "[FAILED] SO-000123: 2 errors", m.Subject)
	assert.Equal(t, gate, *m.From)
	assert.Equal(t, []*mail.Address{&jane}, m.To)
	assert.True(t, m.Date.Equal(noon), m.Date)
	assert.Equal(t, "auto-generated", m.Header.Get("Auto-Submitted"))
	assert.Equal(t, "All", m.Header.Get("X-Auto-Response-Suppress"))
	assert.True(t, strings.HasSuffix(m.MessageID, "@example.com"), m.MessageID)
	assert.Empty(t, m.Header.Get("In-Reply-To"))
	assert.Equal(t, failedText, strings.ReplaceAll(m.Text, "\r\n", "\n"))

	for _, text := range []string{
		"This order is held: 2 errors must be fixed before goods leave.", "SO-000123",
		"Acme Kitchens",
		"line 2", "The line&#39;s subtotal is not quantity × price less discount.",
		"Expected 15.00, is 10.00.", "Fix: Type the quantity again.",
		"since 23 Nov 2026 11:30 UTC · rule line-subtotal", "The PO number is missing.",
		"New errors, not confirmed yet", "The ship date has passed.", "Warnings",
		"There is no phone number.",
		`href="https://app.inflowinventory.com/sales-orders/8a3c6d4e-0000-4000-8000-000000000001"`,
		`href="https://temporal.example.com/namespaces/default/workflows/sales-order-8a3c6d4e-0000-4000-8000-000000000001/run-1/user-metadata"`,
		"background-color:#b3261e",
	} {
		assert.Contains(t, m.HTML, text)
	}
	assert.NotContains(t, m.HTML, "ZgotmplZ", "html/template found an unsafe value")
	assert.Less(t, strings.Index(m.HTML, "The PO number"),
		strings.Index(m.HTML, "There is no phone"), "warnings come last")

	support, err := s.HTMLSupport(t.Context(), m.ID)
	require.NoError(t, err)
	t.Logf("mail programs support %.1f %% of the HTML", support)
	assert.Greater(t, support, 90.0)
}

func TestSubjectAndHeadlineOfEachKind(t *testing.T) {
	t.Parallel()
	s := catcher(t, mailcatcher.Options{})
	overridden := func(n *notify.Notice) {
		n.Report.Findings = slices.Delete(n.Report.Findings, 2, 3) // two errors and a warning
		for i := range n.Report.Findings {
			n.Report.Findings[i].State = ordercheck.FindingOverridden
			n.Report.Findings[i].Override = &ordercheck.Override{By: "Ann Chef",
				Reason: "agreed by phone", Until: noon.Add(48 * time.Hour)}
		}
	}
	for _, test := range []struct {
		kind    ordercheck.NoticeKind
		change  func(*notify.Notice)
		subject string
		texts   []string
	}{
		{ordercheck.NoticeFailed, func(n *notify.Notice) {
			n.Report.Findings = n.Report.Findings[1:2]
		}, "[FAILED] SO-000123: 1 error",
			[]string{"This order is held: 1 error must be fixed"}},
		{ordercheck.NoticeFailed, func(n *notify.Notice) {
			n.Report.OrderNumber = ""
		}, "[FAILED] " + orderID + ": 2 errors", []string{"Order     " + orderID}},
		{ordercheck.NoticeReminder, nil, "[REMINDER] SO-000123: 2 errors since 23 Nov 2026",
			[]string{"still held: 2 errors"}},
		{ordercheck.NoticeResolved, func(n *notify.Notice) {
			*n = *resolved()
		}, "[RESOLVED] SO-000123",
			[]string{"the reported errors are gone", "Fixed\n",
				"Expected 15.00, was 10.00.\n  (since", "The PO number is missing.",
				"Status    warning", "There is no phone number."}},
		{ordercheck.NoticeOverridden, overridden, "[OVERRIDDEN] SO-000123: 2 errors",
			[]string{"somebody took responsibility for its 2 errors",
				"Overridden by Ann Chef until 25 Nov 2026 12:00 UTC: agreed by phone."}},
		{ordercheck.NoticeEnded, func(n *notify.Notice) {
			n.EndReason = ordercheck.EndExpired
		}, "[ENDED] SO-000123: not fixed in time",
			[]string{"nobody fixed it in time", "The PO number is missing."}},
		{ordercheck.NoticeEnded, func(n *notify.Notice) {
			n.EndReason = ordercheck.EndCancelled
		}, "[ENDED] SO-000123: order cancelled", []string{"was cancelled in InFlow"}},
		{ordercheck.NoticeEnded, func(n *notify.Notice) {
			n.EndReason = ordercheck.EndDeleted
		}, "[ENDED] SO-000123: order deleted", []string{"was deleted in InFlow"}},
		{ordercheck.NoticeEnded, func(n *notify.Notice) {
			n.EndReason, n.Report.Note = ordercheck.EndByHand,
				"temporal-cli:anna@desk ended the watch over this order by hand."
		}, "[ENDED] SO-000123: ended by hand",
			[]string{"temporal-cli:anna@desk ended the watch",
				"nobody took responsibility for them", "The PO number is missing."}},
		{ordercheck.NoticeEnded, func(n *notify.Notice) {
			*n = *resolved()
			n.Kind, n.EndReason, n.Resolved, n.Lifted = ordercheck.NoticeEnded,
				ordercheck.EndRulesChanged, nil, n.Resolved[:1]
		}, "[ENDED] SO-000123: rules changed", []string{
			"no longer held: the rule that it broke no longer applies.",
			"The rule no longer applies\n", "Expected 15.00, was 10.00.\n  (since",
		}},
		{ordercheck.NoticeResolved, func(n *notify.Notice) {
			*n = *resolved()
			n.Report.OrderNumber = "SO-000124"
			n.Resolved, n.Lifted = n.Resolved[:1], n.Resolved[1:]
		}, "[RESOLVED] SO-000124", []string{
			"its errors are fixed, or their rules no longer apply", "Fixed\n",
			"The rule no longer applies\n\n* order: The PO number is missing.",
		}},
		{ordercheck.NoticeFailed, func(n *notify.Notice) {
			n.Report.RuleErrors = []ordercheck.RuleError{{RuleID: "credit",
				Error: "the customer has no limit"}}
		}, "[FAILED] SO-000123: 2 errors",
			[]string{"Rules that could not be evaluated", "* credit: the customer has no limit"}},
	} {
		t.Run(test.subject, func(t *testing.T) {
			notice := failed()
			notice.Kind, notice.Key = test.kind, fmt.Sprintf("%x", test.subject)
			if test.change != nil {
				test.change(notice)
			}
			require.NoError(t, send(t, to(s.SMTPAddr, jane), notice))
			list, err := s.List(t.Context())
			require.NoError(t, err)
			m := read(t, s, list[0].ID)
			assert.Equal(t, test.subject, m.Subject)
			text := strings.ReplaceAll(m.Text, "\r\n", "\n")
			for _, want := range test.texts {
				assert.Contains(t, text, want)
			}
			assert.NotContains(t, m.HTML, "ZgotmplZ")
		})
	}
}

func TestFollowUpMailsAreThreaded(t *testing.T) {
	t.Parallel()
	s := catcher(t, mailcatcher.Options{})
	for _, notice := range []*notify.Notice{failed(), resolved()} {
		n := notifier(t, to(s.SMTPAddr, jane, jim))
		require.Empty(t, sendAll(t, n, notice))
	}
	list, err := s.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 4)
	first := map[string]string{} // by recipient
	for i := len(list) - 1; i >= 0; i-- {
		m := read(t, s, list[i].ID)
		recipient := m.To[0].Address
		if strings.HasPrefix(m.Subject, "[FAILED]") {
			first[recipient] = "<" + m.MessageID + ">"
			assert.Empty(t, m.Header.Get("References"))
			continue
		}
		assert.Equal(t, first[recipient], m.Header.Get("In-Reply-To"))
		assert.Equal(t, first[recipient], m.Header.Get("References"))
		assert.NotEqual(t, first[recipient], "<"+m.MessageID+">")
	}
	assert.Len(t, first, 2)
	assert.NotEqual(t, first[jane.Address], first[jim.Address], "each gets a mail of its own")
}

func TestRepeatedMailIsIdentical(t *testing.T) {
	t.Parallel()
	s := catcher(t, mailcatcher.Options{})
	other := failed()
	other.Key = "run-1-set-2"
	for _, notice := range []*notify.Notice{failed(), failed(), other} {
		require.NoError(t, send(t, to(s.SMTPAddr, jane), notice))
	}
	list, err := s.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 3)
	var raw []string
	for _, summary := range list {
		content, err := s.Raw(t.Context(), summary.ID)
		require.NoError(t, err)
		// Skip the headers that the server added.
		_, own, found := strings.Cut(string(content), "\r\nDate:")
		require.True(t, found, "%s", content)
		raw = append(raw, own)
	}
	assert.Equal(t, raw[1], raw[2])
	assert.Equal(t, list[1].MessageID, list[2].MessageID)
	assert.NotEqual(t, list[0].MessageID, list[1].MessageID)
}

func TestOrderTextIsEscapedInHTML(t *testing.T) {
	t.Parallel()
	s := catcher(t, mailcatcher.Options{})
	const attack = `<script>alert(1)</script><img src=x onerror=alert(1)>"'&</td></table>{{.}}`
	notice := failed()
	notice.Report.Customer = attack
	notice.Report.OrderNumber = "<b>SO</b>"
	notice.Report.RuleSet.Name = attack
	notice.Report.SalesOrderID = `x"onmouseover="alert(1)`
	notice.RunID = `javascript:alert(1)">`
	f := &notice.Report.Findings[0]
	f.Message, f.Expected, f.Actual, f.Fix, f.RuleID = attack, attack, attack, attack, attack
	f.State, f.Override = ordercheck.FindingOverridden,
		&ordercheck.Override{By: attack, Reason: attack}
	notice.Report.RuleErrors = []ordercheck.RuleError{{RuleID: attack, Error: attack}}
	require.NoError(t, send(t, to(s.SMTPAddr, jane), notice))
	m := received(t, s)
	assert.NotContains(t, m.HTML, "<script")
	assert.NotContains(t, m.HTML, "<img")
	assert.NotContains(t, m.HTML, "<b>")
	assert.NotContains(t, m.HTML, `"onmouseover`)
	assert.Contains(t, m.HTML, "&lt;script&gt;alert(1)&lt;/script&gt;")
	assert.Contains(t, m.HTML,
		`href="https://app.inflowinventory.com/sales-orders/x%22onmouseover=%22alert%281%29"`)
	assert.Equal(t, 1, strings.Count(m.HTML, "</body>"))
	assert.Contains(t, m.Text, attack, "plain text needs no escaping")
}

func TestOrderTextCannotAddHeaders(t *testing.T) {
	t.Parallel()
	s := catcher(t, mailcatcher.Options{})
	for _, test := range []struct {
		name, orderNumber, subject string
	}{
		{"line breaks", "SO-1\r\nBcc: evil@example.com\r\n\r\nbody",
			"[FAILED] SO-1 Bcc: evil@example.com body: 2 errors"},
		{"bare line feed", "SO-1\nX-Evil: yes", "[FAILED] SO-1 X-Evil: yes: 2 errors"},
		{"bare carriage return", "SO-1\rX-Evil: yes", "[FAILED] SO-1 X-Evil: yes: 2 errors"},
		{"other line ends", "SO-1\u2028X-Evil: yes\u0085\v\fa\x00b",
			"[FAILED] SO-1 X-Evil: yes a b: 2 errors"},
		{"not ASCII", "Großauftrag №7 厨房", "[FAILED] Großauftrag №7 厨房: 2 errors"},
		{"not UTF-8", "SO-\xff1", "[FAILED] SO-\uFFFD1: 2 errors"},
		{"turned direction", "SO-\u202e321", "[FAILED] SO- 321: 2 errors"},
		{"an encoded word", "=?utf-8?q?=0AX-Evil:_yes?=", "[FAILED] = ?utf-8?q?=0AX-Evil:_yes?=: " +
			"2 errors"},
		{"long", strings.Repeat("x", 5000), "[FAILED] " + strings.Repeat("x", 59) + "…: 2 errors"},
		{"blank", " \r\n ", "[FAILED] " + orderID + ": 2 errors"},
	} {
		t.Run(test.name, func(t *testing.T) {
			notice := failed()
			notice.Report.OrderNumber = test.orderNumber
			notice.Report.Customer = test.orderNumber
			require.NoError(t, send(t, to(s.SMTPAddr, jane), notice))
			list, err := s.List(t.Context())
			require.NoError(t, err)
			m := read(t, s, list[0].ID)
			assert.Equal(t, test.subject, m.Subject)
			assert.Empty(t, m.Header.Get("X-Evil"))
			assert.Empty(t, m.Header.Get("Bcc"))
			assert.Len(t, m.To, 1)
			for name, values := range m.Header {
				for _, value := range values {
					for _, r := range value {
						assert.True(t, r >= ' ' && r <= '~' || r == '\t', "%s: %q", name, value)
					}
				}
			}
			raw, err := s.Raw(t.Context(), m.ID)
			require.NoError(t, err)
			for line := range strings.Lines(string(raw)) {
				assert.LessOrEqual(t, len(line), 1000, "RFC 5322, 2.1.1")
			}
		})
	}
}

func TestMailLimitsListedFindings(t *testing.T) {
	t.Parallel()
	s := catcher(t, mailcatcher.Options{})
	notice := failed()
	notice.Report.Findings = nil
	for i := range 5000 {
		severity := ordercheck.SeverityError
		if i%2 == 1 {
			severity = ordercheck.SeverityWarning
		}
		notice.Report.Findings = append(notice.Report.Findings, ordercheck.Finding{
			ID: fmt.Sprint(i), RuleID: "rule", Severity: severity, LineNumber: i + 1,
			Message: strings.Repeat("wrong ", 1000),
		})
	}
	require.NoError(t, send(t, to(s.SMTPAddr, jane), notice))
	m := received(t, s)
	assert.Equal(t, "[FAILED] SO-000123: 2500 errors", m.Subject)
	for _, part := range []string{m.Text, m.HTML} {
		assert.Contains(t, part, "and 2475 more")
		assert.Contains(t, part, "and 2490 more")
		assert.Equal(t, 35, strings.Count(part, "wrong wrong…"))
		assert.Less(t, len(part), 64<<10)
	}
}

func TestMailToTheSalesRep(t *testing.T) {
	t.Parallel()
	s := catcher(t, mailcatcher.Options{})
	options := to(s.SMTPAddr, jane)
	notice := failed()
	notice.HasSalesRep, notice.SalesRepEmail = true, "rep@example.com"
	assert.Equal(t, []string{"mail:8c87b4"}, names(notifier(t, options), notice), "off by default")

	options.SalesRep = true
	n := notifier(t, options)
	assert.Equal(t, []string{"mail:8c87b4", "mail:sales-rep"}, names(n, notice))
	require.NoError(t, n.Send(t.Context(), n.Targets(notice)[1], notice))
	assert.Equal(t, "rep@example.com", received(t, s).To[0].Address)

	notice.SalesRepEmail = "JANE@example.com"
	assert.Equal(t, []string{"mail:8c87b4"}, names(n, notice), "she gets one mail only")
	notice.SalesRepEmail = ""
	assert.Equal(t, ordercheck.TargetSalesRep, names(n, notice)[1],
		"her address is not in the target's name")
	notice.HasSalesRep = false
	assert.Equal(t, []string{"mail:8c87b4"}, names(n, notice))
	notice.HasSalesRep = true

	for _, bad := range []string{"rep", "rep@example.com\r\nBcc: evil@example.com",
		"a@example.com, b@example.com", "<>", `"a b"@example.com`, "jörg@example.com",
		strings.Repeat("x", 250) + "@example.com"} {
		notice.SalesRepEmail = bad
		targets := n.Targets(notice)
		require.Len(t, targets, 2, bad)
		sent := asError(t, n.Send(t.Context(), targets[1], notice))
		assert.True(t, sent.Permanent, bad)
		assert.EqualError(t, sent, "notice to mail:sales-rep: the sales rep's e-mail address in "+
			"InFlow is not valid")
	}
	list, err := s.List(t.Context())
	require.NoError(t, err)
	assert.Len(t, list, 1)
}

func TestTrialSendsAllMailToOneAddress(t *testing.T) {
	t.Parallel()
	s := catcher(t, mailcatcher.Options{})
	hook := newReceiver(t)
	options := to(s.SMTPAddr, jane, jim)
	options.SalesRep = true
	options.Redirect = mail.Address{Address: "trial@example.com"}
	options.Destinations = destinations(t, hook.URL+"/token")
	notice := failed()
	notice.HasSalesRep, notice.SalesRepEmail = true, "rep@example.com"
	require.NoError(t, send(t, options, notice))
	m := received(t, s)
	assert.Equal(t, "[TRIAL] [FAILED] SO-000123: 2 errors", m.Subject)
	assert.Equal(t, []*mail.Address{{Address: "trial@example.com"}}, m.To)
	for _, part := range []string{m.Text, m.HTML} {
		for _, intended := range []string{"jane@example.com", "jim@example.com", "rep@example.com",
			"webhook:"} {
			assert.Contains(t, part, intended)
		}
		assert.NotContains(t, part, "token")
	}
	assert.Empty(t, hook.requests())

	options.To, options.SalesRep, options.Destinations = nil, false, nil
	assert.Empty(t, notifier(t, options).Targets(notice), "no receiver to replace")
}

func names(n *notify.Notifier, notice *notify.Notice) []string {
	var all []string
	for _, target := range n.Targets(notice) {
		all = append(all, target.Name())
	}
	return all
}

// TestWarningNoticeSaysNotHeld sends the notice of an order that has only warnings.
func TestWarningNoticeSaysNotHeld(t *testing.T) {
	t.Parallel()
	warning := failed()
	warning.Kind, warning.Report.Status = ordercheck.NoticeWarning, ordercheck.StatusWarning
	warning.Report.Findings = warning.Report.Findings[3:]
	s := catcher(t, mailcatcher.Options{})
	require.NoError(t, send(t, to(s.SMTPAddr, jane), warning))
	m := received(t, s)
	assert.Equal(t, "[WARNING] SO-000123: 1 warning", m.Subject)
	assert.Equal(t, `This order is not held. It has 1 warning and no errors.
Please make sure that the order is right. Goods may leave, and you will get no reminder.

Order     SO-000123
Customer  Acme Kitchens
Status    warning
InFlow    https://app.inflowinventory.com/sales-orders/8a3c6d4e-0000-4000-8000-000000000001
Run       https://temporal.example.com/namespaces/default/workflows/sales-order-8a3c6d4e-0000-4000-8000-000000000001/run-1/user-metadata

Warnings

* order: There is no phone number.
  (since 23 Nov 2026 12:00 UTC, rule phone)

-- 
Error Check Gate · rule set cabinetry · checked 23 Nov 2026 12:00 UTC
`, strings.ReplaceAll(m.Text, "\r\n", "\n"))

	hook := newReceiver(t)
	require.NoError(t, send(t, notify.Options{Destinations: destinations(t, hook.URL)}, warning))
	var posted struct{ Kind, Text string }
	require.NoError(t, json.Unmarshal([]byte(hook.requests()[0].body), &posted))
	assert.Equal(t, "warning", posted.Kind)
	assert.Equal(t, `[WARNING] SO-000123: 1 warning
Acme Kitchens
This order is not held. It has 1 warning and no errors.
• order: There is no phone number.
https://app.inflowinventory.com/sales-orders/8a3c6d4e-0000-4000-8000-000000000001`, posted.Text)
}
