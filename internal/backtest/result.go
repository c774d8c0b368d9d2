package backtest

import (
	"time"

	"error-check-gate/internal/ordercheck"
)

// Result says what two rule sets find in the same orders. Its JSON is the output of
// 'gate rules try --json', which docs/rules.md describes.
type Result struct {
	Orders Orders `json:"orders"`
	// Now is the set that the new one is compared with.
	Now RuleSet `json:"now"`
	New RuleSet `json:"new"`
	// Held counts the orders with errors.
	Held Held `json:"held"`
	// Incomplete counts the orders without errors that could not be checked completely.
	Incomplete Counts `json:"incomplete"`
	// Messages is nil if nobody gets notices, or if that is unknown.
	Messages *MessageCounts `json:"messages,omitempty"`
	// Rules has the rules of the new set in their order, then the rules that only the other set
	// has.
	Rules []RuleResult `json:"rules"`
	// Notes tell people what the result leaves out.
	Notes     []string   `json:"notes"`
	FailAbove *FailAbove `json:"failAbove,omitempty"`
}

// Orders describes the orders of the file.
type Orders struct {
	File  string `json:"file"`
	Count int    `json:"count"`
	// From and To are the first and the last order date; zero if no order has a date.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// ExportedFrom and ExportedTo are when the first and the last order was exported. The rules see
	// these times as now.
	ExportedFrom time.Time `json:"exportedFrom,omitzero"`
	ExportedTo   time.Time `json:"exportedTo,omitzero"`
}

// RuleSet is one of the sets, with its origin.
type RuleSet struct {
	ordercheck.RuleSet
	// Source names the files or the setting, such as "RULES_FILE".
	Source string `json:"source"`
}

// Counts holds numbers of orders.
type Counts struct {
	Now int `json:"now"`
	New int `json:"new"`
	// More counts the orders of New that are not in Now, and Fewer the opposite.
	More  int `json:"more"`
	Fewer int `json:"fewer"`
	// The percentages are of all orders, rounded to two decimals.
	NowPercent   float64 `json:"nowPercent"`
	NewPercent   float64 `json:"newPercent"`
	MorePercent  float64 `json:"morePercent"`
	FewerPercent float64 `json:"fewerPercent"`
}

// Differ reports whether the sets differ about any order.
func (c *Counts) Differ() bool { return c.More > 0 || c.Fewer > 0 }

// add counts one order.
func (c *Counts) add(now, proposed bool) {
	if now {
		c.Now++
	}
	if proposed {
		c.New++
	}
	switch {
	case proposed && !now:
		c.More++
	case now && !proposed:
		c.Fewer++
	}
}

func (c *Counts) merge(other *Counts) {
	c.Now += other.Now
	c.New += other.New
	c.More += other.More
	c.Fewer += other.Fewer
}

// setPercent computes the percentages of all orders.
func (c *Counts) setPercent(orders int) {
	c.NowPercent, c.NewPercent = percent(c.Now, orders), percent(c.New, orders)
	c.MorePercent, c.FewerPercent = percent(c.More, orders), percent(c.Fewer, orders)
}

// percent returns n in percent of all, rounded to two decimals.
func percent(n, all int) float64 {
	if all == 0 {
		return 0
	}
	const hundredths = 100 * 100
	return float64((n*hundredths+all/2)/all) / 100
}

// Held counts the orders that the gate would hold.
type Held struct {
	Counts
	// Examples are the newest orders that only the new set holds.
	Examples []Example `json:"examples"`
}

// MessageCounts counts the messages to people: one per receiver and order, when the order is held,
// and for an order with warnings only if NOTIFY_WARNINGS is set.
type MessageCounts struct {
	Mails Messages `json:"mails"`
	// Posts go to chats and webhooks.
	Posts Messages `json:"posts"`
	// Receivers says who gets the messages.
	Receivers []string `json:"receivers"`
}

// Messages holds numbers of messages. More and Fewer count messages about orders that only one of
// the sets notifies of.
type Messages struct {
	Now   int `json:"now"`
	New   int `json:"new"`
	More  int `json:"more"`
	Fewer int `json:"fewer"`
}

// RuleResult has the orders that break one rule.
type RuleResult struct {
	RuleID      string `json:"ruleId"`
	Description string `json:"description"`
	// Orders counts the orders that break the rule.
	Orders Counts `json:"orders"`
	// Now and New hold the rule's results in each set.
	Now RuleSide `json:"now"`
	New RuleSide `json:"new"`
	// Examples are the newest orders that break the rule in only one of the sets, at most five for
	// each set. If there are none, they are the newest orders that break it in both.
	Examples []Example `json:"examples"`
}

// differs reports whether the rule differs between the sets in any way that the result shows.
func (r *RuleResult) differs() bool {
	return r.Orders.Differ() || r.Now.State != r.New.State ||
		r.Now.Severity != r.New.Severity || r.Now.NotEvaluated != r.New.NotEvaluated
}

// shown reports whether the rule goes into the tables for people.
func (r *RuleResult) shown() bool {
	return r.differs() || r.Orders.Now > 0 || r.New.NotEvaluated > 0 || len(r.New.Unknown) > 0
}

// State is the state of a rule in a set.
type State string

// The states of a rule.
const (
	StateOn    State = "on"
	StateTrial State = "trial" // counted, without findings
	StateOff   State = "off"
	StateNone  State = "none" // the set does not have the rule
)

// RuleSide holds the results of a rule in one of the sets.
type RuleSide struct {
	State    State               `json:"state"`
	Severity ordercheck.Severity `json:"severity,omitempty"`
	// NotEvaluated counts the orders that the rule could not be evaluated on. Error is the error of
	// the newest one.
	NotEvaluated int    `json:"notEvaluated"`
	Error        string `json:"error,omitempty"`
	// Skipped counts the orders that the rule did not check completely. SkipReason is the reason of
	// the newest one.
	Skipped    int    `json:"skipped"`
	SkipReason string `json:"skipReason,omitempty"`
	// Unknown lists the data that the file lacks. Skipped includes the orders without that data.
	Unknown []Unknown `json:"unknown,omitempty"`
}

// Unknown is an include or a look-up that the file does not have for some orders.
type Unknown struct {
	Needs  string `json:"needs"`
	Orders int    `json:"orders"`
}

// Example is an order that breaks a rule.
type Example struct {
	SalesOrderID string    `json:"salesOrderId"`
	OrderNumber  string    `json:"orderNumber"`
	OrderDate    time.Time `json:"orderDate,omitzero"`
	Customer     string    `json:"customer"`
	// RuleID is the rule of the first error, for orders that would be held.
	RuleID string `json:"ruleId,omitempty"`
	// Message is the first finding's message, and Findings the number of findings.
	Message  string `json:"message"`
	Findings int    `json:"findings"`
	// Now and New say which sets find it.
	Now bool `json:"now"`
	New bool `json:"new"`

	line int // in the file, from 1
}

// FailAbove is the limit of --fail-above.
type FailAbove struct {
	Percent float64 `json:"percent"`
	// Exceeded is true if more orders than the limit allows are held only by the new set, or are
	// incompletely checked only by the new set.
	Exceeded bool `json:"exceeded"`
}

// Fail compares the result with a limit, in percent of all orders.
func (r *Result) Fail(abovePercent float64) *FailAbove {
	above := func(c *Counts) bool {
		return float64(c.More)*100 > abovePercent*float64(r.Orders.Count)
	}
	return &FailAbove{
		Percent:  abovePercent,
		Exceeded: above(&r.Held.Counts) || above(&r.Incomplete),
	}
}
