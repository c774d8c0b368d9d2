package ordercheck

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Delivery is one accepted webhook request, as the signal [SignalWebhookDelivered] carries it.
type Delivery struct {
	// Event is InFlow's name of the event, as sent.
	Event string `json:"event"`
	// OccurredAt is InFlow's time of the event, as sent; empty if there is none.
	OccurredAt string `json:"occurredAt,omitempty"`
	// ReceivedAt is when the ingress verified the request, or when the sweep found that none came.
	ReceivedAt time.Time `json:"receivedAt"`
	// OrderVersion is the version that the sweep found, if Event is [EventMissedWebhook]. A check that
	// saw this version or a newer one has nothing to do.
	OrderVersion string `json:"orderVersion,omitempty"`
	// RulesDigest is the digest of the set in force, if Event is [EventRulesChanged]. An order that
	// was checked with this set has nothing to do.
	RulesDigest string `json:"rulesDigest,omitempty"`
}

// DeliveryBatch holds deliveries of several orders that Temporal committed with one call. It is the
// argument of [HandOverWorkflowType] and [ActivityHandOver].
type DeliveryBatch struct {
	// Orders holds each order once.
	Orders []OrderDeliveries `json:"orders"`
}

// OrderDeliveries are deliveries of one order, oldest first.
type OrderDeliveries struct {
	SalesOrderID string     `json:"salesOrderId"`
	Deliveries   []Delivery `json:"deliveries"`
}

// FetchOrderInput is the argument of [ActivityFetchOrder].
type FetchOrderInput struct {
	SalesOrderID string `json:"salesOrderId"`
	// KnowsBilled is true if the run knows the order as it was invoiced, so there is no need to
	// look it up.
	KnowsBilled bool `json:"knowsBilled,omitempty"`
	// Also lists includes and look-ups to request in addition to the needs of the rules in force:
	// another worker may have another rule set.
	Also []string `json:"also,omitempty"`
	// AcceptMissing accepts an order even if InFlow left something out.
	AcceptMissing bool `json:"acceptMissing,omitempty"`
	// HoldMarks are the hold marks that the gate has written into the order.
	HoldMarks []KnownMarks `json:"holdMarks,omitempty"`
}

// FetchedOrder is the result of [ActivityFetchOrder].
type FetchedOrder struct {
	OrderNumber string `json:"orderNumber"`
	// OrderVersion is InFlow's timestamp of the order. It changes whenever the order changes.
	OrderVersion string `json:"orderVersion"`
	Customer     string `json:"customer"`
	IsCancelled  bool   `json:"isCancelled,omitempty"`
	// HasSalesRep is true if notices go to the sales rep, who has an e-mail address.
	HasSalesRep bool `json:"hasSalesRep,omitempty"`
	// SalesRep is the sales rep's name, cut for display; empty if there is none.
	SalesRep string `json:"salesRep,omitempty"`
	// RuleSet names the rules in force when the order was fetched. They decide which includes were
	// asked for.
	RuleSet RuleSet `json:"ruleSet"`
	// Asked lists the includes and look-ups that were requested.
	Asked []string `json:"asked"`
	// Missing lists the includes that InFlow left out although the order has them. Unless
	// AcceptMissing was set, there are then no look-ups and no digest.
	Missing []string `json:"missing,omitempty"`
	// Lookups holds the data that rules need beyond the order, if already known.
	Lookups Lookups `json:"lookups,omitzero"`
	// LookUp is a look-up at InFlow that is still needed; nil if none is.
	LookUp *LookUpOrdersInput `json:"lookUp,omitempty"`
	// Billed holds the billed lines as of now, if a rule needs them; nil if the order isn't invoiced.
	Billed *Billed `json:"billed,omitempty"`
	// HoldField is the custom field for hold marks; nil if the company has none.
	HoldField *HoldField `json:"holdField,omitempty"`
	// FetchID identifies this result among the run's fetches, for [CheckOrderInput]; empty if the
	// input of the check has to carry the order itself.
	FetchID string `json:"fetchId,omitempty"`
	// Content is a hash of Order without its version and hold mark. It is empty without HoldField.
	Content string `json:"content,omitempty"`
	// Order is the part of the order that rules may see.
	Order Digest `json:"order"`
}

// LookUpOrdersInput is the argument of [ActivityLookUpOrders].
type LookUpOrdersInput struct {
	SalesOrderID string `json:"salesOrderId"`
	CustomerID   string `json:"customerId"`
	// ProductIDs are the order's products. Lines of other products are only counted.
	ProductIDs []string `json:"productIds,omitempty"`
	// ProductsOmitted is true if the order has more products than listed.
	ProductsOmitted bool `json:"productsOmitted,omitempty"`
}

// RecallRunInput is the argument of [ActivityRecallRun].
type RecallRunInput struct {
	SalesOrderID string `json:"salesOrderId"`
}

// RecalledRun is the information from the order's last run that a new run needs.
type RecalledRun struct {
	// Overridden lists the overridden findings, including unlisted ones.
	Overridden []Finding `json:"overridden"`
	// Notified lists the warnings that people know of.
	Notified []Finding `json:"told,omitempty"`
	// Failure is the error type of the order's latest run; empty if that run did not fail.
	Failure string `json:"failure,omitempty"`
}

// CheckOrderInput is the argument of [ActivityCheckOrder].
type CheckOrderInput struct {
	SalesOrderID string `json:"salesOrderId"`
	// FetchID is the [FetchedOrder.FetchID] of an earlier fetch of the run. Its result has the
	// order, Asked, and the recent orders unless they are in Lookups. This way the history has
	// them once.
	FetchID string `json:"fetchId,omitempty"`
	// Order is the digest to check; empty with FetchID.
	Order Digest `json:"order,omitempty"`
	// At is the time that rules see as now.
	At time.Time `json:"at"`
	// Lookups holds the data that was looked up for the order.
	Lookups Lookups `json:"lookups,omitzero"`
	// Asked is [FetchedOrder.Asked]; empty with FetchID.
	Asked []string `json:"asked,omitempty"`
	// Notified lists the rules with errors that people know of: see [CheckedOrder.NotInForce].
	Notified []string `json:"told,omitempty"`
	// RulesSince is [CheckedOrder.RulesSince] of the previous check. An order is never checked with a
	// set that took over earlier.
	RulesSince time.Time `json:"rulesSince,omitzero"`
	// Final evaluates the rules even if they need more than was fetched.
	Final bool `json:"final,omitempty"`
}

// Refer sets the order to check. If it can, the input refers to the fetch in the run's history,
// and otherwise it carries the order itself.
func (in *CheckOrderInput) Refer(fetched *FetchedOrder) {
	if fetched.FetchID == "" {
		in.Order, in.Asked = fetched.Order, fetched.Asked
		return
	}
	in.FetchID = fetched.FetchID
	if fetched.Lookups.RecentOrders != nil {
		in.Lookups.RecentOrders = nil
	}
}

// Take copies the data that the input refers to from the result of the fetch.
func (in *CheckOrderInput) Take(fetched *FetchedOrder) {
	in.Order, in.Asked = fetched.Order, fetched.Asked
	if in.Lookups.RecentOrders == nil {
		in.Lookups.RecentOrders = fetched.Lookups.RecentOrders
	}
}

// CheckedOrder is the result of [ActivityCheckOrder]: the findings of the rules. The workflow
// applies grace periods and overrides later.
type CheckedOrder struct {
	RuleSet RuleSet `json:"ruleSet"`
	// RulesSince is when the rule set took over in this namespace.
	RulesSince time.Time `json:"rulesSince,omitzero"`

	Findings []Finding `json:"findings"`
	// Omitted is as in [Report].
	Omitted    []Finding   `json:"omitted,omitempty"`
	Skipped    []Skipped   `json:"skipped"`
	RuleErrors []RuleError `json:"ruleErrors"`
	// Terms lists the rules with findings for which the rule file has terms.
	Terms []Terms `json:"terms,omitempty"`
	// Missing lists the includes and look-ups that rules lacked.
	Missing []string `json:"missing,omitempty"`
	// NotAsked lists the includes and look-ups that this worker's rules need, but that were not
	// requested. If there are any, nothing was evaluated, and the order must be fetched again.
	NotAsked []string `json:"notAsked,omitempty"`
	// NotInForce lists the rules of [CheckOrderInput.Notified] that the set no longer has, has
	// switched off, or has on trial.
	NotInForce []string `json:"notInForce,omitempty"`
	// Shadow lists the results of rules on trial. They are counted, and are not part of a report.
	Shadow []ShadowResult `json:"shadow,omitempty"`
}

// Terms are a rule file's own settings for the findings of a rule.
type Terms struct {
	RuleID string `json:"ruleId"`
	// Grace is the rule's grace period, in nanoseconds; nil for the company's.
	Grace *time.Duration `json:"grace,omitempty"`
	// HoldMax and RemindEvery are the rule's own, in nanoseconds; nil for the company's.
	HoldMax     *time.Duration `json:"holdMax,omitempty"`
	RemindEvery *time.Duration `json:"remindEvery,omitempty"`
	// NotOverridable is true if nobody can take responsibility: the order must be corrected.
	NotOverridable bool `json:"notOverridable,omitempty"`
}

// ShadowResult is the result of a rule on trial.
type ShadowResult struct {
	RuleID   string `json:"ruleId"`
	Findings int    `json:"findings"`
	Error    string `json:"error,omitempty"`
	// Skipped says why the rule was not evaluated on the order, or on some of its lines. Missing
	// is as in [Skipped].
	Skipped string   `json:"skipped,omitempty"`
	Missing []string `json:"missing,omitempty"`
}

// Digest is the part of an order that rules may see, as JSON. A large one travels compressed: a
// payload in Temporal's history has at most 2 MiB.
type Digest []byte

const (
	// compressDigestOver is the size above which a digest is compressed, in bytes.
	compressDigestOver = 64 << 10
	// MaxDigestSize limits a digest that is read, in bytes before compression.
	MaxDigestSize = 64 << 20
	// maxDigestPayload limits a compressed digest, in bytes of JSON. It leaves room for the
	// order's look-ups below the 2 MiB of a payload.
	maxDigestPayload = 1300 << 10
)

// ErrDigestTooLarge means that an order's digest does not fit a payload even when compressed.
var ErrDigestTooLarge = errors.New("the order is too large for Temporal's history")

type compressedDigest struct {
	Gzip []byte `json:"gzip"`
}

// MarshalJSON writes the digest itself, or {"gzip":"<base64>"} if it is large. It fails with
// [ErrDigestTooLarge] if the digest does not fit a payload.
func (d Digest) MarshalJSON() ([]byte, error) {
	if len(d) == 0 {
		return []byte("null"), nil
	}
	if len(d) <= compressDigestOver {
		return d, nil
	}
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed)
	if _, err := w.Write(d); err != nil {
		return nil, fmt.Errorf("compress the order's digest: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress the order's digest: %w", err)
	}
	out, err := json.Marshal(compressedDigest{Gzip: compressed.Bytes()})
	if err != nil {
		return nil, fmt.Errorf("compress the order's digest: %w", err)
	}
	if len(out) > maxDigestPayload {
		return nil, fmt.Errorf("%w: %d bytes after compression, at most %d", ErrDigestTooLarge, len(out),
			maxDigestPayload)
	}
	return out, nil
}

// CheckSize fails with [ErrDigestTooLarge] if the digest does not fit a payload.
func (d Digest) CheckSize() error {
	if len(d) <= compressDigestOver {
		return nil
	}
	_, err := d.MarshalJSON()
	return err
}

// UnmarshalJSON reads both forms that [Digest.MarshalJSON] writes.
func (d *Digest) UnmarshalJSON(data []byte) error {
	if bytes.Equal(data, []byte("null")) {
		*d = nil
		return nil
	}
	if !bytes.HasPrefix(data, []byte(`{"gzip":`)) {
		*d = bytes.Clone(data)
		return nil
	}
	var compressed compressedDigest
	if err := json.Unmarshal(data, &compressed); err != nil {
		return fmt.Errorf("read the order's digest: %w", err)
	}
	r, err := gzip.NewReader(bytes.NewReader(compressed.Gzip))
	if err != nil {
		return fmt.Errorf("read the order's digest: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(r, MaxDigestSize+1))
	if err != nil {
		return fmt.Errorf("read the order's digest: %w", err)
	}
	if len(out) > MaxDigestSize {
		return fmt.Errorf("read the order's digest: over %d bytes", MaxDigestSize)
	}
	*d = out
	return nil
}

// Start is the argument of [WorkflowType].
type Start struct {
	// SalesOrderID may be empty: the workflow's id names the order.
	SalesOrderID string `json:"salesOrderId"`
}

// Cancellation is the result of [ActivityReadCancellation]: who cancelled the run, and why. Either
// may be empty.
type Cancellation struct {
	// Identity names the client that cancelled the run, such as temporal-cli:anna@host.
	Identity string `json:"identity,omitempty"`
	Reason   string `json:"reason,omitempty"`
}
