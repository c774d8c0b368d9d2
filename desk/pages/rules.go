package pages

import (
	"net/http"
	"strings"
	"time"

	"error-check-gate/desk/orders"
	"error-check-gate/internal/ordercheck"
)

// rulesData is the data of the page with the rules.
type rulesData struct {
	Set     ordercheck.InForce
	Rules   []ruleRow
	Omitted int
	Fault   string // what could not be read
	// Outcomes counts the outcomes of the rules' errors; nil if the rules could not be read.
	Outcomes *outcomesData
}

type ruleRow struct {
	ordercheck.DescribedRule
	State, Terms string
	Held         int    // number of orders that it holds
	URL          string // of their list
}

func (h *Handler) showRules(w http.ResponseWriter, r *http.Request) {
	inForce, err := h.orders.RulesInForce(r.Context())
	if err != nil {
		h.unavailable(w, r, err)
		return
	}
	d := &rulesData{Set: inForce}
	if inForce.Digest == "" {
		d.Fault = "There are no rules yet. The gate's worker has not started."
		h.render(w, r, http.StatusOK, "rules", "rules", d)
		return
	}
	described, err := h.orders.DescribeRules(r.Context(), inForce.Digest)
	if err != nil {
		h.logger.WarnContext(r.Context(), "the rules in force could not be read", "error", err)
		d.Fault = "The rules could not be read now. Reload the page in a minute."
	}
	held := map[string]int{}
	list, err := h.orders.List(r.Context(), orders.Filter{Status: orders.StatusHeld, Limit: 1})
	for _, rule := range list.Counts.Rule {
		held[rule.Value] = rule.Orders
	}
	if err != nil && d.Fault == "" {
		d.Fault = "The number of orders could not be read now."
	}
	for _, rule := range described.Rules {
		d.Rules = append(d.Rules, ruleRow{
			DescribedRule: rule, State: ruleState(&rule), Terms: ruleTerms(rule.Terms),
			Held: held[rule.ID],
			URL:  listURL(&orders.Filter{Status: orders.StatusHeld, Rule: rule.ID}, 1, ""),
		})
	}
	d.Omitted = described.Omitted
	if len(described.Rules) > 0 {
		outcomes := h.outcomes(r, described.Rules)
		d.Outcomes = &outcomes
	}
	h.render(w, r, http.StatusOK, "rules", "rules", d)
}

func ruleState(rule *ordercheck.DescribedRule) string {
	switch {
	case !rule.Enabled:
		return "off"
	case rule.Shadow:
		return "on trial"
	}
	return "on"
}

// ruleTerms describes the terms that a rule sets for itself, such as its own grace period.
func ruleTerms(terms *ordercheck.Terms) string {
	if terms == nil {
		return ""
	}
	var parts []string
	for _, term := range []struct {
		text  string
		value *time.Duration
	}{
		{"time to fix it", terms.Grace}, {"held at most", terms.HoldMax},
		{"reminder every", terms.RemindEvery},
	} {
		if term.value != nil {
			parts = append(parts, term.text+" "+durationText(*term.value))
		}
	}
	if terms.NotOverridable {
		parts = append(parts, "nobody can take responsibility")
	}
	return strings.Join(parts, ", ")
}
