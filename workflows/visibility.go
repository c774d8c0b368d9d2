package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
)

var (
	orderNumberKey  = temporal.NewSearchAttributeKeyKeyword(ordercheck.SearchOrderNumber)
	gateStatusKey   = temporal.NewSearchAttributeKeyKeyword(ordercheck.SearchGateStatus)
	errorCountKey   = temporal.NewSearchAttributeKeyInt64(ordercheck.SearchErrorCount)
	failedRulesKey  = temporal.NewSearchAttributeKeyKeywordList(ordercheck.SearchFailedRules)
	warningRulesKey = temporal.NewSearchAttributeKeyKeywordList(ordercheck.SearchWarningRules)
	versionKey      = temporal.NewSearchAttributeKeyKeyword(ordercheck.SearchOrderVersion)
	heldSinceKey    = temporal.NewSearchAttributeKeyTime(ordercheck.SearchHeldSince)
)

// published is what operators see of a run without opening it.
type published struct {
	orderNumber  string
	status       ordercheck.Status
	errors       int
	failedRules  []string
	warningRules []string
	heldSince    time.Time
	version      string
}

func (p published) equal(q published) bool {
	return p.orderNumber == q.orderNumber && p.status == q.status && p.errors == q.errors &&
		slices.Equal(p.failedRules, q.failedRules) && slices.Equal(p.warningRules, q.warningRules) && p.heldSince.Equal(q.heldSince) && p.version == q.version
}

// alreadyPublished is what was shown when the run started, by who started it or by the run before it.
func alreadyPublished(ctx workflow.Context) published {
	shown := workflow.GetTypedSearchAttributes(ctx)
	var p published
	p.orderNumber, _ = shown.GetKeyword(orderNumberKey)
	status, _ := shown.GetKeyword(gateStatusKey)
	p.status = ordercheck.Status(status)
	errorCount, _ := shown.GetInt64(errorCountKey)
	p.errors = int(errorCount)
	p.failedRules, _ = shown.GetKeywordList(failedRulesKey)
	p.warningRules, _ = shown.GetKeywordList(warningRulesKey)
	p.heldSince, _ = shown.GetTime(heldSinceKey)
	p.version, _ = shown.GetKeyword(versionKey)
	return p
}

// publish shows the report in the Web UI: search attributes for the list of
// runs, Markdown on the run's own page. An unchanged report costs no event.
func (o *salesOrder) publish(ctx workflow.Context) error {
	report := &o.state.Report
	workflow.SetCurrentDetails(ctx, o.details(ctx))
	now := published{
		orderNumber:  ordercheck.Keyword(report.OrderNumber),
		status:       report.Status,
		errors:       report.Errors(),
		failedRules:  ordercheck.KeywordList(rulesWith(report, ordercheck.SeverityError)),
		warningRules: ordercheck.KeywordList(rulesWith(report, ordercheck.SeverityWarning)),
		heldSince:    o.state.HeldSince,
		version:      o.shownVersion(),
	}
	if err := o.publishMemo(ctx); err != nil {
		return err
	}
	if o.published.equal(now) {
		return nil
	}
	updates := []temporal.SearchAttributeUpdate{
		gateStatusKey.ValueSet(string(now.status)),
		errorCountKey.ValueSet(int64(now.errors)),
		failedRulesKey.ValueSet(now.failedRules),
	}
	if !slices.Equal(now.warningRules, o.published.warningRules) {
		updates = append(updates, warningRulesKey.ValueSet(now.warningRules))
	}
	if now.orderNumber != "" {
		updates = append(updates, orderNumberKey.ValueSet(now.orderNumber))
	}
	if now.version != "" {
		updates = append(updates, versionKey.ValueSet(now.version))
	}
	switch {
	case now.heldSince.Equal(o.published.heldSince):
	case now.heldSince.IsZero():
		updates = append(updates, heldSinceKey.ValueUnset())
	default:
		updates = append(updates, heldSinceKey.ValueSet(now.heldSince))
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		return fmt.Errorf("show the order's status in its search attributes: %w", err)
	}
	o.published = now
	return nil
}

// publishMemo shows in lists of held orders what search attributes don't.
func (o *salesOrder) publishMemo(ctx workflow.Context) error {
	memo, listed := o.state.DeskMemo()
	if !listed || memo == o.publishedMemo {
		return nil
	}
	if err := workflow.UpsertMemo(ctx, map[string]any{ordercheck.MemoDesk: memo}); err != nil {
		return fmt.Errorf("show the order in the list of held orders: %w", err)
	}
	o.publishedMemo = memo
	return nil
}

// shownVersion returns the newest version of the order that a check has seen. An order that InFlow lists and does
// not have counts as seen in the listed version: the next sweep must not find it missed again.
func (o *salesOrder) shownVersion() string {
	version := o.state.Report.OrderVersion
	if ordercheck.CompareVersions(version, o.state.NotFoundVersion) < 0 {
		version = o.state.NotFoundVersion
	}
	return ordercheck.Keyword(version)
}

// rulesWith returns the ids of the rules with findings of a severity, each once, in report order.
func rulesWith(report *ordercheck.Report, severity ordercheck.Severity) []string {
	ids := []string{}
	for f := range report.All() {
		if f.Severity == severity && !slices.Contains(ids, f.RuleID) {
			ids = append(ids, f.RuleID)
		}
	}
	return ids
}
