package workflows

import (
	"encoding/json"
	"time"

	"error-check-gate/internal/ordercheck"
)

// maxKept bounds, in bytes, the order and the look-ups that a run keeps. Most orders take a few KB; a
// worker's cache of 10,000 runs takes 160 MB at worst.
const maxKept = 16 << 10

// keptOrder is what a check was made of. The order can be checked with other rules without a
// request to InFlow, while nobody says that it has changed.
type keptOrder struct {
	began   time.Time
	fetched ordercheck.FetchedOrder
	lookups ordercheck.Lookups
}

// keep remembers what a check was made of, if it is small.
func (o *salesOrder) keep(result *checkResult) {
	o.kept = nil
	if len(result.fetched.Order) > maxKept {
		return
	}
	lookups, err := json.Marshal(result.lookups)
	if err != nil || len(result.fetched.Order)+len(lookups) > maxKept {
		return
	}
	o.kept = &keptOrder{began: result.began, fetched: result.fetched, lookups: result.lookups}
}

// receiveRules takes the news that another rule set is in force. The check that is due needs no fetch
// unless somebody else asks for one: see owe. Nothing is known of an order whose latest check could
// not be done, so that one is fetched.
func (o *salesOrder) receiveRules(digest string) {
	if o.report.CheckedAt.IsZero() || o.report.RuleSet.Digest == digest {
		return // the check to come, or the latest one, is made with it
	}
	withoutFetch := (!o.due || o.dueKept) && o.outcome == nil
	o.owe(ordercheck.PrioritySweep)
	o.dueKept = withoutFetch
}
