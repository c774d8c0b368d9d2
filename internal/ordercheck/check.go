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
	// Event is InFlow's name of what happened, as it was sent.
	Event string `json:"event"`
	// OccurredAt is the time InFlow gave, as it was sent; empty where it gave none.
	OccurredAt string `json:"occurredAt,omitempty"`
	// ReceivedAt is when the ingress had verified the request, or the sweep found that none came.
	ReceivedAt time.Time `json:"receivedAt"`
	// OrderVersion is the version that the sweep saw, where Event is [EventMissedWebhook]: a
	// check that saw it, or a newer one, has nothing to do.
	OrderVersion string `json:"orderVersion,omitempty"`
	// RulesDigest is that of the set in force, if Event is [EventRulesChanged]: an order that was
	// checked with it has nothing to do.
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
	// KnowsBilled: the run knows the order as it was invoiced, so nobody needs to look for it.
	KnowsBilled bool `json:"knowsBilled,omitempty"`
	// Also lists includes and look-ups to ask for besides those that the rules in force need: another
	// worker may have another rule set.
	Also []string `json:"also,omitempty"`
	// AcceptMissing takes an order as it is, even if InFlow left something out.
	AcceptMissing bool `json:"acceptMissing,omitempty"`
}

// FetchedOrder is the result of [ActivityFetchOrder].
type FetchedOrder struct {
	OrderNumber string `json:"orderNumber"`
	// OrderVersion is InFlow's timestamp of the order. Equal versions are equal orders.
	OrderVersion string `json:"orderVersion"`
	Customer     string `json:"customer"`
	IsCancelled  bool   `json:"isCancelled,omitempty"`
	// HasSalesRep: notices go to the sales rep, who has an e-mail address.
	HasSalesRep bool `json:"hasSalesRep,omitempty"`
	// SalesRep is the sales rep's name, cut for display; empty if there is none.
	SalesRep string `json:"salesRep,omitempty"`
	// RuleSet names the rules in force when the order was fetched: they decide what was included.
	RuleSet RuleSet `json:"ruleSet"`
	// Asked lists the includes and look-ups that were asked for.
	Asked []string `json:"asked"`
	// Missing lists the includes that InFlow left out although the order says that they exist. Unless
	// that was to be accepted, there are no look-ups and no digest.
	Missing []string `json:"missing,omitempty"`
	// Lookups is what the rules need beyond the order, as far as it is known already.
	Lookups Lookups `json:"lookups,omitzero"`
	// LookUp is what must be looked up at InFlow still; nil is nothing.
	LookUp *LookUpOrdersInput `json:"lookUp,omitempty"`
	// Billed is what the order is billed for now, where a rule asks; nil while it is not invoiced.
	Billed *Billed `json:"billed,omitempty"`
	// Order is what the rules may look at, and no more.
	Order Digest `json:"order"`
}

// LookUpOrdersInput is the argument of [ActivityLookUpOrders].
type LookUpOrdersInput struct {
	SalesOrderID string `json:"salesOrderId"`
	CustomerID   string `json:"customerId"`
	// ProductIDs are those of the order: lines of other products are only counted.
	ProductIDs []string `json:"productIds,omitempty"`
	// ProductsOmitted is true if the order has more of them than are listed.
	ProductsOmitted bool `json:"productsOmitted,omitempty"`
}

// RecallRunInput is the argument of [ActivityRecallRun].
type RecallRunInput struct {
	SalesOrderID string `json:"salesOrderId"`
}

// RecalledRun is what a new run has to know of the order's last run.
type RecalledRun struct {
	// Overridden are the findings that somebody answers for, those that were not listed too.
	Overridden []Finding `json:"overridden"`
	// Told are the warnings that people have been told of.
	Told []Finding `json:"told,omitempty"`
	// Failure is the type of the error that the order's latest run failed with; empty if it did not.
	Failure string `json:"failure,omitempty"`
}

// CheckOrderInput is the argument of [ActivityCheckOrder].
type CheckOrderInput struct {
	SalesOrderID string `json:"salesOrderId"`
	Order        Digest `json:"order"`
	// At is the time that rules see as now.
	At time.Time `json:"at"`
	// Lookups is what was looked up for the order.
	Lookups Lookups `json:"lookups,omitzero"`
	// Asked is [FetchedOrder.Asked].
	Asked []string `json:"asked"`
	// Told lists the rules with errors that people have been told of: see [CheckedOrder.NotInForce].
	Told []string `json:"told,omitempty"`
	// RulesSince is [CheckedOrder.RulesSince] of the check before: an order is not checked with a set that
	// was in force earlier than that one.
	RulesSince time.Time `json:"rulesSince,omitzero"`
	// Final evaluates the order even if the rules need more than was asked for.
	Final bool `json:"final,omitempty"`
}

// CheckedOrder is the result of [ActivityCheckOrder]: what the rules found,
// before time, people and grace have a say.
type CheckedOrder struct {
	RuleSet RuleSet `json:"ruleSet"`
	// RulesSince is when the rule set took over in this namespace.
	RulesSince time.Time `json:"rulesSince,omitzero"`

	Findings []Finding `json:"findings"`
	// Omitted is as in [Report].
	Omitted    []Finding   `json:"omitted,omitempty"`
	Skipped    []Skipped   `json:"skipped"`
	RuleErrors []RuleError `json:"ruleErrors"`
	// Terms are those of the rules with findings that the rule file gives terms of their own.
	Terms []Terms `json:"terms,omitempty"`
	// Missing lists the includes and look-ups that rules lacked.
	Missing []string `json:"missing,omitempty"`
	// NotAsked lists what the rules of this worker need and was not asked for. Nothing was evaluated
	// then: the order is to be fetched again.
	NotAsked []string `json:"notAsked,omitempty"`
	// NotInForce lists the rules of [CheckOrderInput.Told] that the set no longer has, or has switched
	// off or on trial.
	NotInForce []string `json:"notInForce,omitempty"`
	// Shadow is what rules on trial would have said. It is counted, and is no part of a report.
	Shadow []ShadowResult `json:"shadow,omitempty"`
}

// Terms are what a rule file says of the life of a rule's findings.
type Terms struct {
	RuleID string `json:"ruleId"`
	// Grace is the rule's own grace period, in nanoseconds; nil is the company's.
	Grace *time.Duration `json:"grace,omitempty"`
	// HoldMax and RemindEvery are the rule's own too, in nanoseconds; nil is the company's.
	HoldMax     *time.Duration `json:"holdMax,omitempty"`
	RemindEvery *time.Duration `json:"remindEvery,omitempty"`
	// NotOverridable rules are to be put right; nobody can take responsibility for them.
	NotOverridable bool `json:"notOverridable,omitempty"`
}

// ShadowResult is the outcome of a rule that is evaluated on trial.
type ShadowResult struct {
	RuleID   string `json:"ruleId"`
	Findings int    `json:"findings"`
	Error    string `json:"error,omitempty"`
}

// Digest is the part of an order that rules may look at, as JSON. Where it is
// large it travels compressed: a payload in Temporal's history ends at 2 MiB.
type Digest []byte

const (
	compressDigestOver = 64 << 10
	// MaxDigestSize is the largest digest read back, in bytes before compression.
	MaxDigestSize = 64 << 20
	// maxDigestPayload leaves room under Temporal's 2 MiB for what is looked up for an order.
	maxDigestPayload = 1300 << 10
)

// ErrDigestTooLarge is for an order whose digest does not fit a payload even compressed.
var ErrDigestTooLarge = errors.New("the order is too large for Temporal's history")

type compressedDigest struct {
	Gzip []byte `json:"gzip"`
}

// MarshalJSON writes the digest itself, or {"gzip":"<base64>"} where it is large.
// It fails with [ErrDigestTooLarge].
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
		return nil, fmt.Errorf("%w: %d bytes after compression, at most %d", ErrDigestTooLarge, len(out), maxDigestPayload)
	}
	return out, nil
}

// CheckSize fails with [ErrDigestTooLarge] where the digest would not fit a payload.
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

// Cancellation is the result of [ActivityReadCancellation]. Both are empty if Temporal was not told.
type Cancellation struct {
	// Identity is that of the client that cancelled the run, such as temporal-cli:anna@host.
	Identity string `json:"identity,omitempty"`
	Reason   string `json:"reason,omitempty"`
}
