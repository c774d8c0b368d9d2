package notify_test

import (
	"errors"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/mailcatcher"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/ordercheck"
)

const orderID = "8a3c6d4e-0000-4000-8000-000000000001"

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// failed returns a notice about an order with two confirmed errors, a pending error and a warning.
func failed() *notify.Notice {
	return &notify.Notice{WorkflowID: "sales-order-" + orderID, RunID: "run-1",
		Notice: ordercheck.Notice{
			Kind: ordercheck.NoticeFailed, Key: "run-1-set-1", At: noon,
			Report: ordercheck.Report{
				SalesOrderID: orderID, OrderNumber: "SO-000123", OrderVersion: "0000000000310AB6",
				Customer: "Acme Kitchens",
				Status:   ordercheck.StatusFailed, CheckedAt: noon,
				RuleSet: ordercheck.RuleSet{Name: "cabinetry"},
				Findings: []ordercheck.Finding{
					{
						ID: "line-subtotal/l1", RuleID: "line-subtotal",
						Severity: ordercheck.SeverityError, Scope: ordercheck.ScopeLine,
						LineNumber: 2,
						Message:    "The line's subtotal is not quantity × price less discount.",
						Expected:   "15.00", Actual: "10.00", Fix: "Type the quantity again.",
						State: ordercheck.FindingConfirmed, FirstSeen: noon.Add(-30 * time.Minute),
						ConfirmAt: noon,
					},
					{
						ID: "po-number", RuleID: "po-number", Severity: ordercheck.SeverityError,
						Scope:   ordercheck.ScopeOrder,
						Message: "The PO number is missing.", Fix: "Ask the customer for it.",
						State: ordercheck.FindingConfirmed, FirstSeen: noon.Add(-40 * time.Minute),
						ConfirmAt: noon.Add(-10 * time.Minute),
					},
					{
						ID: "ship-date", RuleID: "ship-date", Severity: ordercheck.SeverityError,
						Scope:   ordercheck.ScopeOrder,
						Message: "The ship date has passed.", State: ordercheck.FindingPending,
						FirstSeen: noon, ConfirmAt: noon.Add(30 * time.Minute),
					},
					{
						ID: "phone", RuleID: "phone", Severity: ordercheck.SeverityWarning,
						Scope:   ordercheck.ScopeOrder,
						Message: "There is no phone number.", State: ordercheck.FindingConfirmed,
						FirstSeen: noon,
					},
				},
			},
		}}
}

func resolved() *notify.Notice {
	n := failed()
	n.Kind, n.Key, n.Thread = ordercheck.NoticeResolved, "run-1-resolved-1", n.Key
	n.Resolved, n.Report.Findings, n.Report.Status = n.Report.Findings[:2], n.Report.Findings[3:],
		ordercheck.StatusWarning
	return n
}

var (
	gate = mail.Address{Name: "Error Check Gate", Address: "gate@example.com"}
	jane = mail.Address{Name: "Jane Doe", Address: "jane@example.com"}
	jim  = mail.Address{Address: "jim@example.com"}
)

func catcher(t *testing.T, o mailcatcher.Options) *mailcatcher.Server {
	t.Helper()
	s, err := mailcatcher.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Stop()) })
	return s
}

// to returns options that send mail to the recipients through the server at addr, without TLS.
func to(addr string, recipients ...mail.Address) notify.Options {
	return notify.Options{
		SMTP: notify.SMTP{Addr: addr, TLS: notify.TLSNone, From: gate}, To: recipients,
		TemporalUIURL: "https://temporal.example.com/", Namespace: "default",
	}
}

func notifier(t *testing.T, o notify.Options) *notify.Notifier {
	t.Helper()
	n, err := notify.New(o)
	require.NoError(t, err)
	return n
}

func destinations(t *testing.T, urls ...string) []notify.Destination {
	t.Helper()
	d, err := notify.ParseDestinations(strings.Join(urls, ","))
	require.NoError(t, err)
	return d
}

// send sends a notice to its only target.
func send(t *testing.T, o notify.Options, notice *notify.Notice) error {
	t.Helper()
	n := notifier(t, o)
	targets := n.Targets(notice)
	require.Len(t, targets, 1)
	return n.Send(t.Context(), targets[0], notice)
}

// sendError sends a notice, which must fail, and returns the error. It must not quote the notice.
func sendError(t *testing.T, o notify.Options, notice *notify.Notice) *notify.Error {
	t.Helper()
	err := send(t, o, notice)
	require.Error(t, err)
	for _, finding := range notice.Report.Findings {
		assert.NotContains(t, err.Error(), finding.Message)
	}
	return asError(t, err)
}

// sendAll sends a notice to all its targets and returns the errors by target name.
func sendAll(t *testing.T, n *notify.Notifier, notice *notify.Notice) map[string]error {
	t.Helper()
	errs := map[string]error{}
	for _, target := range n.Targets(notice) {
		if err := n.Send(t.Context(), target, notice); err != nil {
			errs[target.Name()] = err
		}
	}
	return errs
}

func asError(t *testing.T, err error) *notify.Error {
	t.Helper()
	var sent *notify.Error
	require.True(t, errors.As(err, &sent), "%T %v", err, err)
	return sent
}

// received returns the only mail that has arrived.
func received(t *testing.T, s *mailcatcher.Server) *mailcatcher.Mail {
	t.Helper()
	list, err := s.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	return read(t, s, list[0].ID)
}

func read(t *testing.T, s *mailcatcher.Server, id string) *mailcatcher.Mail {
	t.Helper()
	m, err := s.Read(t.Context(), id)
	require.NoError(t, err)
	return m
}
