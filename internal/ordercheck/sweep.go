package ordercheck

import "time"

// ListedOrder is one entry of InFlow's list of sales orders, as far as the sweep needs it.
type ListedOrder struct {
	SalesOrderID string `json:"salesOrderId"`
	OrderNumber  string `json:"orderNumber,omitempty"`
	// OrderVersion is in the form of [ParseVersion].
	OrderVersion string `json:"orderVersion"`
}

// ListOrdersInput is the argument of [ActivityListOrders].
type ListOrdersInput struct {
	// From is the order date of the oldest orders to list; unused with NewestFirst.
	From time.Time `json:"from"`
	// NewestFirst asks for all orders down to Mark, the order that was saved last first.
	NewestFirst bool `json:"newestFirst,omitempty"`
	// After is the entry before the page; the zero value asks for the first page.
	After ListedOrder `json:"after,omitzero"`
	// AfterAt is the number of entries before After. If BySkip is true, the request uses this
	// number in place of the id of After, because InFlow has ignored an id before.
	AfterAt int  `json:"afterAt,omitempty"`
	BySkip  bool `json:"bySkip,omitempty"`
	// First is the id of the list's first entry. If a page begins with it instead of After, InFlow
	// ignores ids.
	First string `json:"first,omitempty"`
	// Mark is the version up to which every order was compared; empty if there is none. Only
	// newer versions are in the result.
	Mark string `json:"mark,omitempty"`
}

// ListedOrders is the result of [ActivityListOrders]: a page of the list.
type ListedOrders struct {
	// Listed counts the orders of the page.
	Listed int `json:"listed"`
	// Orders are the orders newer than the mark.
	Orders []ListedOrder `json:"orders"`
	// Highest is the newest version of the page; empty if the page has no orders.
	Highest string `json:"highest,omitempty"`
	// Tail is the end of the page. The next page begins after its last entry.
	Tail []ListedOrder `json:"tail"`
	// Moved is true if After has moved in the list or is gone. Then this is not the requested page,
	// and it is empty.
	Moved bool `json:"moved,omitempty"`
	// StartIgnored is true if Moved is true because InFlow ignored the id in the request.
	StartIgnored bool `json:"startIgnored,omitempty"`
	// First is the id of the list's first entry; only in the first page.
	First string `json:"first,omitempty"`
	// Entries counts the entries of the page after After. Unreadable counts the entries of the
	// page that could not be read.
	Entries    int   `json:"entries,omitempty"`
	Unreadable int   `json:"unreadable,omitempty"`
	TailAt     []int `json:"tailAt,omitempty"`
	// Total is the number of entries of the whole list, only in the first page; 0 if unknown.
	Total int `json:"total,omitempty"`
	// Last is true if nothing follows. The page is empty then.
	Last bool `json:"last,omitempty"`
	// Reached is true if the page goes down to Mark, with NewestFirst. No further page is needed.
	Reached bool `json:"reached,omitempty"`
	// Unsorted says why InFlow's list cannot be read newest first; empty if it can, or wasn't asked
	// to. The page is empty then.
	Unsorted string `json:"unsorted,omitempty"`
}

// CheckMissedInput is the argument of [ActivityCheckMissed].
type CheckMissedInput struct {
	// Orders are the orders of a page that are newer than the mark.
	Orders []ListedOrder `json:"orders"`
	// Waiting are orders of earlier pages whose checks wait for their turn at InFlow.
	Waiting []ListedOrder `json:"waiting,omitempty"`
}

// CheckedMissed is the result of [ActivityCheckMissed].
type CheckedMissed struct {
	// Missed lists the orders for which a check was started.
	Missed []ListedOrder `json:"missed"`
	// AlreadyRunning counts the orders with a check in progress that will see the newest version.
	AlreadyRunning int `json:"underWay,omitempty"`
	// Waiting are the orders whose checks still wait for their turn at InFlow.
	Waiting []ListedOrder `json:"waiting,omitempty"`
}

// CheckTerminatedInput is the argument of [ActivityCheckTerminated].
type CheckTerminatedInput struct {
	// Since limits the search to runs that were terminated at this time or later; zero means no
	// limit.
	Since time.Time `json:"since,omitzero"`
	// Waiting are orders whose checks wait for their turn at InFlow.
	Waiting []ListedOrder `json:"waiting,omitempty"`
}

// CheckedTerminated is the result of [ActivityCheckTerminated].
type CheckedTerminated struct {
	// Checked counts the orders for which a check was started.
	Checked int `json:"checked"`
	// More is true if there may be further such orders.
	More bool `json:"more,omitempty"`
	// Waiting are the orders whose checks still wait for their turn at InFlow.
	Waiting []ListedOrder `json:"waiting,omitempty"`
}

// SweepStart is the argument of [SweepWorkflowType].
type SweepStart struct {
	// Days limits the sweep to orders with an order date in the last days; 0 is [DefaultSweepDays].
	Days int `json:"days,omitempty"`
	// Account names the company's account at InFlow. Marks of another account don't count.
	Account string `json:"account,omitempty"`
	// HoldMarks is true if the sweep also checks orders whose run was terminated.
	HoldMarks bool `json:"holdMarks,omitempty"`
	// Carried is the state from the previous run; nil in the first run of a sweep.
	Carried *CarriedSweep `json:"carried,omitempty"`
}

// DefaultSweepDays is used if a sweep is started without a number of days.
const DefaultSweepDays = 30

// CarriedSweep is the state of a sweep, for the run that continues it.
type CarriedSweep struct {
	// Sweep is the result so far. Its marks are from the last sweep.
	Sweep Sweep `json:"sweep"`
	// Highest is the newest version seen.
	Highest string `json:"highest,omitempty"`
	// Tail is the end of the latest page; empty before the first one. TailAt has the place of each
	// entry in the list.
	Tail   []ListedOrder `json:"tail,omitempty"`
	TailAt []int         `json:"tailAt,omitempty"`
	// Read counts the entries of the list up to the end of Tail. First and BySkip are as in
	// [ListOrdersInput].
	Read   int    `json:"read,omitempty"`
	Total  int    `json:"total,omitempty"` // entries of the list at the start; 0 if unknown
	First  string `json:"first,omitempty"`
	BySkip bool   `json:"bySkip,omitempty"`
	// NewestFirst is as in [ListOrdersInput].
	NewestFirst bool `json:"newestFirst,omitempty"`
	// Waiting are the orders whose checks wait for their turn at InFlow.
	Waiting []ListedOrder `json:"waiting,omitempty"`
	Pages   int           `json:"pages"`
	// Restarts is the number of times that the sweep has started again at the beginning of the
	// list.
	Restarts int `json:"restarts,omitempty"`
}

// Sweep is the result of [SweepWorkflowType].
type Sweep struct {
	// From is the order date of the oldest orders that the sweep has listed.
	From    time.Time `json:"from"`
	BeganAt time.Time `json:"beganAt"`
	EndedAt time.Time `json:"endedAt,omitzero"`
	// NewestFirst is true if only the orders that were saved since the mark were listed, whatever
	// their dates.
	NewestFirst bool `json:"newestFirst,omitempty"`
	// Listed counts the orders that were listed. Changed counts the orders that are newer than
	// the mark.
	Listed  int `json:"listed"`
	Changed int `json:"changed"`
	// Unreadable counts entries of the list that could not be read; their orders were not compared.
	Unreadable int `json:"unreadable,omitempty"`
	// AlreadyRunning counts the changed orders with a check in progress.
	AlreadyRunning int `json:"underWay"`
	// Missed counts the orders for which a check was started. Orders are the first [MaxSweepOrders].
	Missed int           `json:"missed"`
	Orders []ListedOrder `json:"orders"`
	// Terminated counts the orders that are checked because their run was terminated.
	Terminated int `json:"terminated,omitempty"`
	// Marks are for the next sweep.
	Marks SweepMarks `json:"marks"`
}

// SweepProgress is the progress of a sweep: the answer to [QueryProgress].
type SweepProgress struct {
	// Read counts the entries of the list that were compared. Total is 0 if unknown.
	Read  int `json:"read"`
	Total int `json:"total,omitempty"`
	// Missed counts the orders for which a check was started.
	Missed int `json:"missed"`
}

// MaxSweepOrders limits the orders that the result of a sweep names. Each run begins with the last
// result.
const MaxSweepOrders = 200

// SweepMarks is the information that a sweep needs about earlier ones.
type SweepMarks struct {
	// Mark is a version: every order of this version or an older one has been compared with its latest
	// check. It is empty before the first sweeps have ended.
	Mark string `json:"mark,omitempty"`
	// Next is the newest version that sweeps had seen at SeenAt. It becomes the mark of a later
	// sweep.
	Next   string    `json:"next,omitempty"`
	SeenAt time.Time `json:"seenAt,omitzero"`
	// UnsortedAt is when a sweep found that InFlow's list is not sorted by version; zero
	// otherwise. Sweeps then read the whole list for a day.
	UnsortedAt time.Time `json:"unsortedAt,omitzero"`
	// TerminatedBefore is a time: sweeps have looked at every order whose run was terminated
	// before it.
	TerminatedBefore time.Time `json:"terminatedBefore,omitzero"`
	// The mark holds for orders of Account with an order date of From or later.
	From    time.Time `json:"from,omitzero"`
	Account string    `json:"account,omitempty"`
}
