package orderlife_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

const (
	orderID = "8a3c6d4e-0000-4000-8000-000000000001"
	day     = 24 * time.Hour
)

// start is the time at which every story begins.
var start = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

// settings are the settings of production, with reminders once a week.
var settings = orderlife.Settings{
	SettleQuiet: 2 * time.Second, SettleMax: 30 * time.Second,
	GracePeriod: 30 * time.Minute, HoldMax: 30 * day, RemindEvery: 7 * day,
}

// order is a version of an order at InFlow. Maps are by rule.
type order struct {
	version   int
	wrong     map[string]string // the amount that a broken rule finds
	cancelled bool
	custom    map[string]string // custom fields
	serials   int               // serial numbers
	damage    int               // number of changes that writes made besides their field
	savedBy   string
}

// set changes a custom field on behalf of somebody.
func (o *order) set(by, field, value string) {
	custom := maps.Clone(o.custom)
	if custom == nil {
		custom = map[string]string{}
	}
	custom[field] = value
	o.custom = custom // copies of the order keep their own
	o.version++
	o.savedBy = by
}

// content returns a digest of the part of the order that rules see.
func (o *order) content() string {
	return fmt.Sprint(o.wrong, o.cancelled, o.serials, o.damage)
}

// world is everything that a check depends on.
type world struct {
	order   order
	deleted bool
	rules   rules
	// failing lists rules that cannot be evaluated. missing lists the parts that InFlow leaves
	// out, and needy the rules that cannot be evaluated without them.
	failing []string
	missing []string
	needy   []string
	// hold is the custom field for hold marks; nil if the company has none.
	hold *holdField
}

// holdField is the custom field for hold marks at InFlow, and decides what happens to writes.
type holdField struct {
	name    string
	pending bool
	off     bool // the worker has no field
	// quiet loses the webhooks of the gate's writes; late delays them.
	quiet bool
	late  time.Duration
	// takes is the age of a reading when the workflow gets it.
	takes time.Duration
	// leftOut lists the parts of the order that InFlow leaves out, and empty the parts that it
	// sends as empty lists.
	leftOut, empty []string
	// keeps returns the text that InFlow stores, given the old and the new one. If it is nil,
	// InFlow stores the new one.
	keeps func(before, text string) string
	// stopped is true while marks are stopped for the account.
	stopped bool
}

// holds returns the content of a custom field. A mark begins with HOLD.
func (h *holdField) holds(
	o *order, name string, known []ordercheck.KnownMarks,
) ordercheck.HoldField {
	value := o.custom[name]
	own := strings.HasPrefix(value, "HOLD ")
	for _, marks := range known {
		if marks.Field == name {
			own = slices.Contains(marks.Texts, value) || marks.Partial && own
		}
	}
	field := ordercheck.HoldField{Name: name, Pending: h.pending}
	if own {
		field.Text = value
	} else {
		field.Foreign = value != ""
	}
	return field
}

// read is the activity that reads the field.
func (h *holdField) read(
	o *order, in *ordercheck.ReadHoldFieldInput,
) (image ordercheck.HoldFieldImage, failed *orderlife.MarkFailure) {
	switch {
	case h.off:
		return image, markFailure(ordercheck.ErrorHoldMarksOff)
	case in.ToWrite && h.stopped:
		return image, markFailure(ordercheck.ErrorHoldMarksStopped)
	}
	image = ordercheck.HoldFieldImage{
		Field: h.holds(o, in.Field, in.Known), Text: markText(in.Wanted),
		Version: o.versionText(), CustomFields: o.custom,
		Properties: []ordercheck.Fingerprint{{Name: "lines", Hash: o.content()}}, Serials: o.serials,
		ModifiedBy: o.savedBy, Missing: slices.Concat(h.leftOut, h.empty), LeftOut: h.leftOut,
	}
	if len(image.Missing) > 0 {
		image.Properties, image.Serials = nil, 0
	}
	return image, nil
}

// write is the activity that writes the field.
func (h *holdField) write(
	o *order, attempt *orderlife.MarkAttempt,
) (written ordercheck.WrittenHoldField, failed *orderlife.MarkFailure) {
	switch {
	case h.off:
		return written, markFailure(ordercheck.ErrorHoldMarksOff)
	case h.stopped:
		return written, markFailure(ordercheck.ErrorHoldMarksStopped)
	case attempt.Version != o.versionText():
		return written, markFailure(ordercheck.ErrorHoldFieldConflict)
	}
	text := attempt.Text
	if h.keeps != nil {
		text = h.keeps(o.custom[attempt.Field], text)
	}
	o.set("gate", attempt.Field, text)
	return h.answer(o), nil
}

func (h *holdField) answer(o *order) ordercheck.WrittenHoldField {
	return ordercheck.WrittenHoldField{
		Version:    o.versionText(),
		Properties: []ordercheck.Fingerprint{{Name: "lines", Hash: o.content()}},
		ModifiedBy: "gate",
	}
}

// markFailure returns a failure of a step that has not written anything.
func markFailure(kind string) *orderlife.MarkFailure {
	return &orderlife.MarkFailure{
		Failure: orderlife.Failure{Type: kind, Message: kind}, NotWritten: true,
	}
}

func markText(mark ordercheck.HoldMark) string {
	if mark.IsZero() {
		return ""
	}
	return fmt.Sprintf("HOLD since %s: %s +%d", mark.Since.Format("2 Jan 15:04"), mark.Error,
		mark.More)
}

// rules is a rule set.
type rules struct {
	number int
	// off lists rules that are not in force.
	off []string
	// warnings lists rules of severity warning.
	warnings []string
	// terms holds the terms of some rules, by id.
	terms map[string]ordercheck.Terms
}

func (r *rules) set() ordercheck.RuleSet {
	return ordercheck.RuleSet{Name: "test", Digest: fmt.Sprintf("sha256:%d", r.number)}
}

func (o *order) save(wrong map[string]string) {
	o.version++
	o.wrong, o.savedBy = wrong, "anna"
}

func (o *order) versionText() string { return fmt.Sprintf("%016X", o.version) }

func (w *world) fetch(known []ordercheck.KnownMarks) ordercheck.FetchedOrder {
	fetched := ordercheck.FetchedOrder{
		OrderNumber: "SO-1", OrderVersion: w.order.versionText(), Customer: "Ikea",
		IsCancelled: w.order.cancelled, RuleSet: w.rules.set(), Missing: w.missing,
	}
	if w.hold != nil && !w.hold.off {
		field := w.hold.holds(&w.order, w.hold.name, known)
		fetched.HoldField, fetched.Content = &field, w.order.content()
	}
	if slices.Contains(w.missing, ordercheck.IncludeCustomer) {
		fetched.Customer = ""
	}
	return fetched
}

// lacksData reports whether a rule lacks data.
func (w *world) lacksData(rule string) bool {
	return len(w.missing) > 0 && slices.Contains(w.needy, rule)
}

// evaluate returns the result of evaluating the rules.
func (w *world) evaluate(o *order, notified []string) *ordercheck.CheckedOrder {
	checked := &ordercheck.CheckedOrder{
		RuleSet:  w.rules.set(),
		Findings: []ordercheck.Finding{},
		Missing:  w.missing,
	}
	for _, rule := range slices.Sorted(maps.Keys(o.wrong)) {
		if slices.Contains(w.rules.off, rule) || slices.Contains(w.failing, rule) || w.lacksData(rule) {
			continue
		}
		severity := ordercheck.SeverityError
		if slices.Contains(w.rules.warnings, rule) {
			severity = ordercheck.SeverityWarning
		}
		checked.Findings = append(checked.Findings, ordercheck.Finding{
			ID: rule, RuleID: rule, Severity: severity, Scope: ordercheck.ScopeOrder,
			Message: rule + " is wrong", Expected: "1.00", Actual: o.wrong[rule],
		})
		if terms, own := w.rules.terms[rule]; own {
			checked.Terms = append(checked.Terms, terms)
		}
	}
	for _, rule := range w.failing {
		if !slices.Contains(w.rules.off, rule) {
			checked.RuleErrors = append(checked.RuleErrors,
				ordercheck.RuleError{RuleID: rule, Error: "overflow"})
		}
	}
	for _, rule := range w.needy {
		if w.lacksData(rule) {
			checked.Skipped = append(checked.Skipped,
				ordercheck.Skipped{RuleID: rule, Reason: "needs it", Missing: w.missing})
		}
	}
	for _, rule := range notified {
		if slices.Contains(w.rules.off, rule) {
			checked.NotInForce = append(checked.NotInForce, rule)
		}
	}
	return checked
}

// result returns the result of a check of an order, for the state.
func (w *world) result(s *orderlife.State, o order, began time.Time) *orderlife.Result {
	seen := *w
	seen.order = o
	result := &orderlife.Result{Began: began, Fetched: seen.fetch(s.KnownMarks())}
	if s.UpToDate(&result.Fetched) {
		return result
	}
	result.Checked = seen.evaluate(&o, s.NotifiedRules())
	return result
}

func notFound() orderlife.Failure {
	return orderlife.Failure{
		Type:    ordercheck.ErrorOrderNotFound,
		Message: "sales order 1 was not checked: InFlow does not know it",
	}
}
