package ordercheck

import "time"

// ListedOrder is one entry of InFlow's list of sales orders, as far as the sweep needs it.
type ListedOrder struct {
	SalesOrderID string `json:"salesOrderId"`
	OrderNumber  string `json:"orderNumber,omitempty"`
	// OrderVersion is as [ParseVersion] writes it.
	OrderVersion string `json:"orderVersion"`
}

// ListOrdersInput is the argument of [ActivityListOrders].
type ListOrdersInput struct {
	// From is the order date of the oldest orders that matter.
	From time.Time `json:"from"`
	// After is the entry that the page begins after; the zero value is the list's beginning.
	After ListedOrder `json:"after,omitzero"`
	// AfterAt is how many entries of the list come before After, and BySkip has the page asked for by that
	// number, since InFlow was seen to ignore an entry's id.
	AfterAt int  `json:"afterAt,omitempty"`
	BySkip  bool `json:"bySkip,omitempty"`
	// First is the id of the list's first entry: a page that begins with it in place of After tells that InFlow
	// ignores ids.
	First string `json:"first,omitempty"`
	// Mark is the newest version that does not matter; empty is none.
	Mark string `json:"mark,omitempty"`
}

// ListedOrders is the result of [ActivityListOrders]: a page of the list.
type ListedOrders struct {
	// Listed counts the orders of the page.
	Listed int `json:"listed"`
	// Orders are those that are newer than the mark.
	Orders []ListedOrder `json:"orders"`
	// Highest is the newest version of the page; empty where it has no order.
	Highest string `json:"highest,omitempty"`
	// Tail is the end of the page: the next one begins after the last of these.
	Tail []ListedOrder `json:"tail"`
	// Moved: the entry that the page should begin after has changed its place or is gone, so
	// that this is not the page that was asked for, and has nothing in it.
	Moved bool `json:"moved,omitempty"`
	// StartIgnored is true for a page that has moved since InFlow ignored the id that it was asked for by.
	StartIgnored bool `json:"startIgnored,omitempty"`
	// First is the id of the list's first entry; only in the first page.
	First string `json:"first,omitempty"`
	// Entries counts what the page has after the entry that it was asked for by, Unreadable those of it that
	// could not be read. TailAt has the place of each entry of Tail among them, from 0.
	Entries    int   `json:"entries,omitempty"`
	Unreadable int   `json:"unreadable,omitempty"`
	TailAt     []int `json:"tailAt,omitempty"`
	// Total is how many entries the whole list has; only in the first page, 0 if InFlow does not say.
	Total int `json:"total,omitempty"`
	// Last: nothing follows.
	Last bool `json:"last,omitempty"`
}

// CheckMissedInput is the argument of [ActivityCheckMissed].
type CheckMissedInput struct {
	// Orders are those of a page that are newer than the mark.
	Orders []ListedOrder `json:"orders"`
	// Waiting are orders of pages before, whose checks wait for InFlow's allowance.
	Waiting []ListedOrder `json:"waiting,omitempty"`
}

// CheckedMissed is the result of [ActivityCheckMissed].
type CheckedMissed struct {
	// Missed are the orders that a check was started for.
	Missed []ListedOrder `json:"missed"`
	// UnderWay counts the orders that had a check under way, which will see what is newest.
	UnderWay int `json:"underWay,omitempty"`
	// Waiting are the orders whose checks wait for InFlow's allowance still.
	Waiting []ListedOrder `json:"waiting,omitempty"`
}

// SweepStart is the argument of [SweepWorkflowType].
type SweepStart struct {
	// Days is how old, by their order date, the orders are at most that are looked at; 0 is [DefaultSweepDays].
	Days int `json:"days,omitempty"`
	// Account names the company's account at InFlow; the marks of another one do not count.
	Account string `json:"account,omitempty"`
	// Carried is what the run before this one had; nil in the first run of a sweep.
	Carried *CarriedSweep `json:"carried,omitempty"`
}

// DefaultSweepDays is for a sweep that is started without a number.
const DefaultSweepDays = 30

// CarriedSweep is how far a sweep has come, for the run that goes on with it.
type CarriedSweep struct {
	// Sweep is the result so far. Its marks are those of the sweep before.
	Sweep Sweep `json:"sweep"`
	// Highest is the newest version seen.
	Highest string `json:"highest,omitempty"`
	// Tail is that of the latest page; empty is before the first one. TailAt has the place of each in the list.
	Tail   []ListedOrder `json:"tail,omitempty"`
	TailAt []int         `json:"tailAt,omitempty"`
	// Read counts the entries of the list up to the end of Tail. First and BySkip are as in [ListOrdersInput].
	Read   int    `json:"read,omitempty"`
	Total  int    `json:"total,omitempty"` // entries of the list when the sweep began; 0 if InFlow did not say
	First  string `json:"first,omitempty"`
	BySkip bool   `json:"bySkip,omitempty"`
	// Waiting are the orders whose checks wait for InFlow's allowance.
	Waiting []ListedOrder `json:"waiting,omitempty"`
	Pages   int           `json:"pages"`
	// Restarts counts how often the list was begun again.
	Restarts int `json:"restarts,omitempty"`
}

// Sweep is the result of [SweepWorkflowType].
type Sweep struct {
	// From is the order date of the oldest orders that were looked at.
	From    time.Time `json:"from"`
	BeganAt time.Time `json:"beganAt"`
	EndedAt time.Time `json:"endedAt,omitzero"`
	// Listed counts the orders since From, Changed those of them that are newer than the mark.
	Listed  int `json:"listed"`
	Changed int `json:"changed"`
	// Unreadable counts entries of the list that could not be read; their orders were not compared.
	Unreadable int `json:"unreadable,omitempty"`
	// UnderWay counts the changed orders whose check was under way.
	UnderWay int `json:"underWay"`
	// Missed counts the orders that a check was started for; Orders are the first
	// [MaxSweepOrders] of them.
	Missed int           `json:"missed"`
	Orders []ListedOrder `json:"orders"`
	// Marks are for the next sweep.
	Marks SweepMarks `json:"marks"`
}

// SweepProgress is how far a sweep has come, as the query [QueryProgress] answers.
type SweepProgress struct {
	// Read counts the entries of the list that were compared, of Total; 0 is not known.
	Read  int `json:"read"`
	Total int `json:"total,omitempty"`
	// Missed counts the orders that a check was started for.
	Missed int `json:"missed"`
}

// MaxSweepOrders bounds the orders that the result of a sweep names: each run begins with the
// result of the last one.
const MaxSweepOrders = 200

// SweepMarks are what one sweep has to know of those before.
type SweepMarks struct {
	// Mark: every order of this version or an older one has been compared with its latest
	// check. Empty while no sweep has ended.
	Mark string `json:"mark,omitempty"`
	// Next is the newest version that was seen by the time SeenAt. It becomes the mark of
	// the sweep after the next one.
	Next   string    `json:"next,omitempty"`
	SeenAt time.Time `json:"seenAt,omitzero"`
	// From is the order date that the mark holds from, Account the account that it is of.
	From    time.Time `json:"from,omitzero"`
	Account string    `json:"account,omitempty"`
}
