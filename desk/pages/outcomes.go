package pages

import (
	"fmt"
	"net/http"
	"time"

	"error-check-gate/internal/ordercheck"
)

// outcomeDays is the number of days, including today, that the page with the rules looks back.
const outcomeDays = 30

// outcomesData is the data of the table of outcomes, which shows which rules are worth having.
type outcomesData struct {
	Days int
	// Since is the time when counting began. It is zero if that was before the first of these
	// days.
	Since time.Time
	// Counted is false if nothing was counted yet.
	Counted bool
	Rows    []outcomeRow
	Fault   string // what could not be read
}

// outcomeRow holds the outcomes of a rule's errors.
type outcomeRow struct {
	ID string // empty for further rules, which are counted together
	ordercheck.OutcomeCounts
	Other     int    // errors that ended because the rules changed or an operator ended the hold
	TimeToFix string // on average; empty if nothing was fixed
	// Doubtful is true if people override the rule more often than they correct the order.
	Doubtful bool
}

// outcomes reads the outcomes of errors, and returns them for the rules.
func (h *Handler) outcomes(r *http.Request, rules []ordercheck.DescribedRule) outcomesData {
	from := h.now().UTC().AddDate(0, 0, 1-outcomeDays).Truncate(24 * time.Hour)
	d := outcomesData{Days: outcomeDays}
	outcomes, err := h.orders.RuleOutcomes(r.Context(), from)
	if err != nil {
		h.logger.WarnContext(r.Context(), "what became of errors could not be read", "error", err)
		d.Fault = "What became of errors could not be read now. Reload the page in a minute."
		return d
	}
	d.Counted = !outcomes.Since.IsZero()
	if outcomes.Since.After(from) {
		d.Since = outcomes.Since
	}
	counts := map[string]ordercheck.OutcomeCounts{}
	for _, rule := range outcomes.Rules {
		counts[ordercheck.Keyword(rule.RuleID)] = rule.OutcomeCounts
	}
	for i := range rules {
		rule := &rules[i]
		c, counted := counts[rule.ID]
		finds := rule.Enabled && !rule.Shadow && rule.Severity == ordercheck.SeverityError
		if !counted && !finds {
			continue
		}
		row := newOutcomeRow(rule.ID, c)
		row.Doubtful = c.Overridden > c.Fixed()
		d.Rows = append(d.Rows, row)
	}
	if others, counted := counts[ordercheck.OtherRules]; counted {
		d.Rows = append(d.Rows, newOutcomeRow("", others))
	}
	return d
}

func newOutcomeRow(id string, c ordercheck.OutcomeCounts) outcomeRow {
	return outcomeRow{
		ID: id, OutcomeCounts: c, Other: c.RulesChanged + c.EndedByHand,
		TimeToFix: roughly(c.TimeToFix()),
	}
}

// roughly writes an average duration as people say it; empty if it is zero.
func roughly(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == 0:
		return ""
	case d < time.Minute:
		return "under 1 min"
	case d < 90*time.Minute:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute)/time.Minute))
	case d < 2*day:
		return fmt.Sprintf("%d h", int(d.Round(time.Hour)/time.Hour))
	}
	return ordercheck.Plural(int(d.Round(day)/day), "day")
}
