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

// published holds the values of the run's search attributes.
type published struct {
	orderNumber, status, version string
	errors                       int64
	failedRules, warningRules    []string
	heldSince                    time.Time
}

// startPublished returns the search attributes that the run began with.
func startPublished(ctx workflow.Context) (p published) {
	shown := workflow.GetTypedSearchAttributes(ctx)
	p.orderNumber, _ = shown.GetKeyword(orderNumberKey)
	p.status, _ = shown.GetKeyword(gateStatusKey)
	p.version, _ = shown.GetKeyword(versionKey)
	p.errors, _ = shown.GetInt64(errorCountKey)
	p.failedRules, _ = shown.GetKeywordList(failedRulesKey)
	p.warningRules, _ = shown.GetKeywordList(warningRulesKey)
	p.heldSince, _ = shown.GetTime(heldSinceKey)
	return p
}

func (p *published) equal(q *published) bool {
	return p.orderNumber == q.orderNumber && p.status == q.status && p.version == q.version &&
		p.errors == q.errors && slices.Equal(p.failedRules, q.failedRules) &&
		slices.Equal(p.warningRules, q.warningRules) && p.heldSince.Equal(q.heldSince)
}

// updates returns the updates that replace the published search attributes p by q.
func (p *published) updates(q *published) []temporal.SearchAttributeUpdate {
	updates := []temporal.SearchAttributeUpdate{
		gateStatusKey.ValueSet(q.status),
		errorCountKey.ValueSet(q.errors),
		failedRulesKey.ValueSet(q.failedRules),
	}
	add := func(needed bool, update temporal.SearchAttributeUpdate) {
		if needed {
			updates = append(updates, update)
		}
	}
	add(q.orderNumber != "", orderNumberKey.ValueSet(q.orderNumber))
	add(q.version != "", versionKey.ValueSet(q.version))
	add(!slices.Equal(p.warningRules, q.warningRules), warningRulesKey.ValueSet(q.warningRules))
	moved := !p.heldSince.Equal(q.heldSince)
	add(moved && q.heldSince.IsZero(), heldSinceKey.ValueUnset())
	add(moved && !q.heldSince.IsZero(), heldSinceKey.ValueSet(q.heldSince))
	return updates
}

// publish shows the report in the Web UI: search attributes for the list of runs, Markdown on the
// run's own page. An unchanged report adds no event to the history.
func (o *salesOrder) publish(ctx workflow.Context) error {
	workflow.SetCurrentDetails(ctx, o.details(ctx))
	if err := o.publishMemo(ctx); err != nil {
		return err
	}
	report := &o.state.Report
	next := published{
		orderNumber:  ordercheck.Keyword(report.OrderNumber),
		status:       string(report.Status),
		version:      o.seenVersion(),
		errors:       int64(report.Errors()),
		failedRules:  ordercheck.KeywordList(report.RulesWith(ordercheck.SeverityError)),
		warningRules: ordercheck.KeywordList(report.RulesWith(ordercheck.SeverityWarning)),
		heldSince:    o.state.HeldSince,
	}
	if next.equal(&o.published) {
		return nil
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, o.published.updates(&next)...); err != nil {
		return fmt.Errorf("show the order's status in its search attributes: %w", err)
	}
	o.published = next
	return nil
}

// publishMemo writes the memo, which lists of held orders show beside the search attributes.
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

// seenVersion returns the newest version of the order that a check has seen. InFlow may list a
// version of an order and then answer that the order does not exist. That version counts as seen
// too, so the next sweep doesn't report it as missed again.
func (o *salesOrder) seenVersion() string {
	version := o.state.Report.OrderVersion
	if ordercheck.CompareVersions(version, o.state.NotFoundVersion) < 0 {
		version = o.state.NotFoundVersion
	}
	return ordercheck.Keyword(version)
}
