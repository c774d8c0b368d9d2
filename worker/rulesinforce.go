package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/codec"
	"error-check-gate/internal/operations"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/poll"
	"error-check-gate/internal/rules"
	"error-check-gate/internal/watchdog"
)

const (
	// rulesPoll is the time between reads of the record.
	rulesPoll = 2 * time.Second
	// rulesTimeout limits one read. It also limits one proposal, which needs a worker that runs
	// the record's workflow.
	rulesTimeout = 5 * time.Second
	// keysEvery is the time between checks of the record's payload keys. One check is not enough:
	// while workers are restarted one after the other, workers with different keys may write it.
	keysEvery = 10 * time.Minute
	// rulesMaxAge is the age at which the record is read again before an order is checked. After
	// a change, the record's workflow waits longer than that before it asks open orders to check
	// themselves.
	rulesMaxAge = 5 * time.Second
)

// rulesRecord follows the record of the rule set in force. If this worker's files have a new set,
// it proposes that. It implements [activities.RulesRecord].
type rulesRecord struct {
	temporal client.Client
	keyID    string            // of the payload key that this worker writes with; empty if none
	own      func() *rules.Set // returns the set of this worker's files
	logger   *slog.Logger
	build    string // this worker's build, if workers are versioned
	// filesDecide lets this worker's set take over even if it was in force before.
	filesDecide bool

	known atomic.Pointer[knownRules]
	// proposed is the latest set that this worker proposed, successfully or not. The next poll
	// repeats a failed proposal; checks don't wait for it.
	proposed atomic.Pointer[rules.Set]
	polling  chan struct{} // holds one value while a poll runs

	mu sync.Mutex
	// kept is the latest set in force that this worker had. Its files may have changed since.
	kept *rules.Set
	// logged holds the digests that the last log line names: of this worker's set, and of the set
	// in force.
	logged [2]string
}

// knownRules is the record as it was last read.
type knownRules struct {
	ordercheck.InForce
	asked time.Time
	// The rest is for metrics, whose callback must not block.
	ownInForce, held  int64
	ownLabels, labels metric.MeasurementOption
}

// newRulesRecord makes a record and registers its metrics; stop unregisters them.
func newRulesRecord(
	o *Options, c client.Client, keyID string, provider metric.MeterProvider,
) (r *rulesRecord, stop func() error, err error) {
	r = &rulesRecord{
		temporal: c, keyID: keyID, own: o.Activities.Rules, logger: o.Logger, build: o.BuildID,
		filesDecide: o.RuleFilesDecide, polling: make(chan struct{}, 1),
	}
	meter := provider.Meter(scopeName)
	inForce, err := meter.Int64ObservableGauge("gate.rules.in_force", metric.WithUnit("{set}"),
		metric.WithDescription("1 if the rule set of this worker's files (see the labels) is in force "+
			"in the namespace, else 0. No value until known."))
	if err != nil {
		return nil, nil, fmt.Errorf("set up the metrics of the rule set in force: %w", err)
	}
	held, err := meter.Int64ObservableGauge("gate.rules.held", metric.WithUnit("{set}"),
		metric.WithDescription("1 if this worker has the rule set in force (see the labels) and can "+
			"check orders, else 0. No value until known."))
	if err != nil {
		return nil, nil, fmt.Errorf("set up the metrics of the rule set in force: %w", err)
	}
	registration, err := meter.RegisterCallback(
		func(_ context.Context, observer metric.Observer) error {
			known := r.known.Load()
			if known == nil {
				return nil
			}
			observer.ObserveInt64(inForce, known.ownInForce, known.ownLabels)
			observer.ObserveInt64(held, known.held, known.labels)
			return nil
		},
		inForce,
		held,
	)
	if err != nil {
		return nil, nil, fmt.Errorf("set up the metrics of the rule set in force: %w", err)
	}
	return r, registration.Unregister, nil
}

func one(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// rulesLabels returns the labels for a set. A process reports one set at a time, so the series of
// an old set ends.
func rulesLabels(set ordercheck.RuleSet) metric.MeasurementOption {
	return metric.WithAttributes(
		attribute.String("rule_set", set.Name),
		attribute.String("digest", shortDigest(set.Digest)))
}

// shortDigest returns enough of a digest to tell sets apart.
func shortDigest(digest string) string { return digest[:min(len(digest), len("sha256:")+12)] }

// run follows the record until ctx is done.
func (r *rulesRecord) run(ctx context.Context, w *watchdog.Watchdog) {
	failing := false
	var keysSeen time.Time
	poll.New(func(asked context.Context) (struct{}, error) {
		err := r.poll(asked)
		if err == nil && time.Since(keysSeen) > keysEvery {
			if err = r.renew(asked); err == nil {
				keysSeen = time.Now()
			}
		}
		if err != nil && ctx.Err() == nil && !failing {
			r.logger.WarnContext(ctx, "cannot read which rule set is in force; trying again", "error", err)
		}
		failing = err != nil
		return struct{}{}, err
	}, poll.Options{
		Name:  "the request to Temporal for the rule set in force",
		Every: rulesPoll, Timeout: 2 * rulesTimeout, Watchdog: w,
	}).Run(ctx)
}

// renew asks for a new run of the record if the current run has payloads with another key than this
// worker's. The record never ends, so otherwise it would need every key that it was ever written
// with.
func (r *rulesRecord) renew(ctx context.Context) error {
	events := r.temporal.GetWorkflowHistory(ctx, ordercheck.RulesWorkflowID, "", false,
		enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return fmt.Errorf("read the payload keys of the record: %w", err)
		}
		same, err := codec.AllWrittenWith(ctx, r.keyID, event)
		if err != nil {
			return fmt.Errorf("read the payload keys of the record: %w", err)
		}
		if same {
			continue
		}
		r.logger.InfoContext(ctx,
			"rewriting the record of the rule set in force with the current payload key", "key", r.keyID)
		err = r.temporal.SignalWorkflow(ctx, ordercheck.RulesWorkflowID, "", ordercheck.SignalRenew, nil)
		if err != nil {
			return fmt.Errorf("rewrite the record with the current payload key: %w", err)
		}
		return nil
	}
	return nil
}

// InForce implements [activities.RulesRecord].
func (r *rulesRecord) InForce(
	ctx context.Context, notBefore time.Time,
) (ordercheck.InForce, *rules.Set, error) {
	known := r.known.Load()
	stale := known == nil || time.Since(known.asked) > rulesMaxAge || known.Since.Before(notBefore)
	if stale || r.proposes(&known.InForce) && r.proposed.Load() != r.own() {
		asked, cancel := context.WithTimeout(ctx, rulesTimeout)
		defer cancel()
		if err := r.poll(asked); err != nil && stale {
			return ordercheck.InForce{}, nil, fmt.Errorf("read which rule set is in force: %w", err)
		}
		known = r.known.Load()
	}
	set := r.set(known.Digest)
	if set == nil && known.Build != r.build && r.build != "" {
		// Only workers of this build get orders that stay with it, so these are checked with the
		// build's own set. All workers of a build have its rules.
		own := r.own()
		return ordercheck.InForce{RuleSet: own.RuleSet(), Build: r.build}, own, nil
	}
	return known.InForce, set, nil
}

// proposes reports whether this worker's own set should take over.
func (r *rulesRecord) proposes(inForce *ordercheck.InForce) bool {
	own := r.own().Digest()
	return own != inForce.Digest && (r.filesDecide || !inForce.WasInForce(own))
}

// set returns the set with a digest, or nil if this worker doesn't have it.
func (r *rulesRecord) set(digest string) *rules.Set {
	if own := r.own(); own.Digest() == digest {
		return own
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept != nil && r.kept.Digest() == digest {
		return r.kept
	}
	return nil
}

// poll reads the record, or creates it if there is none, and proposes this worker's set if it is
// new.
func (r *rulesRecord) poll(ctx context.Context) error {
	select {
	case r.polling <- struct{}{}:
		defer func() { <-r.polling }()
	case <-ctx.Done():
		return ctx.Err()
	}
	asked := time.Now()
	inForce, err := r.read(ctx)
	if err != nil {
		return err
	}
	own := r.own()
	if r.proposes(&inForce) {
		r.proposed.Store(own)
		taken, refusal := r.propose(ctx, inForce, own.RuleSet())
		if refusal == nil {
			inForce = taken
		}
		err = refusal
	}
	r.mu.Lock()
	if own.Digest() == inForce.Digest {
		r.kept = own
	}
	r.mu.Unlock()
	r.known.Store(&knownRules{
		InForce: inForce, asked: asked,
		ownInForce: one(own.Digest() == inForce.Digest), held: one(r.set(inForce.Digest) != nil),
		ownLabels: rulesLabels(own.RuleSet()), labels: rulesLabels(inForce.RuleSet),
	})
	if err != nil {
		return err
	}
	r.log(ctx, own.RuleSet(), &inForce)
	return nil
}

// read returns the record. The first worker of a namespace creates it with its own set. If somebody
// ended the record's run, a new run continues with the same record.
func (r *rulesRecord) read(ctx context.Context) (ordercheck.InForce, error) {
	inForce, open, err := operations.RulesInForce(ctx, r.temporal)
	if err != nil || open {
		return inForce, err
	}
	if inForce.Digest == "" {
		inForce.RuleSet, inForce.Build = r.own().RuleSet(), r.build
	}
	_, err = r.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       ordercheck.RulesWorkflowID,
		TaskQueue:                ordercheck.TaskQueue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		Memo:                     map[string]any{ordercheck.MemoInForce: inForce},
		StaticSummary:            "Which rule set is in force in this namespace",
	}, ordercheck.RulesWorkflowType, inForce)
	if err != nil {
		return inForce, fmt.Errorf("create the record of the rule set in force: %w", err)
	}
	inForce, open, err = operations.RulesInForce(ctx, r.temporal) // another worker may have created it
	if err == nil && !open {
		err = errors.New("the record of the rule set in force has just ended")
	}
	return inForce, err
}

// propose proposes a set and returns the updated record.
func (r *rulesRecord) propose(
	ctx context.Context, inForce ordercheck.InForce, set ordercheck.RuleSet,
) (ordercheck.InForce, error) {
	name := ordercheck.UpdateProposeRules
	argument := any(ordercheck.ProposedRules{RuleSet: set, Build: r.build})
	if inForce.WasInForce(set.Digest) {
		name = ordercheck.UpdateUseRules
		argument = ordercheck.UseRules{Digest: set.Digest, By: "the rule files"}
	}
	handle, err := r.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: ordercheck.RulesWorkflowID, UpdateName: name, Args: []any{argument},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, &inForce)
	}
	var refused *temporal.ApplicationError
	if errors.As(err, &refused) && refused.Type() == ordercheck.ErrorRulesOlder {
		// Another set took over meanwhile.
		inForce, _, err = operations.RulesInForce(ctx, r.temporal)
		return inForce, err
	}
	if err != nil {
		return inForce, fmt.Errorf("propose the rule set %s %s: %w", set.Name, set.Digest, err)
	}
	return inForce, nil
}

// log logs which set is in force and what this worker does, once for each change.
func (r *rulesRecord) log(
	ctx context.Context, own ordercheck.RuleSet, inForce *ordercheck.InForce,
) {
	digests := [2]string{own.Digest, inForce.Digest}
	r.mu.Lock()
	known := r.logged == digests
	r.logged = digests
	r.mu.Unlock()
	if known {
		return
	}
	about := []any{
		"ruleSet", inForce.Name, "digest", inForce.Digest,
		"since", inForce.Since, "files", own.Digest,
	}
	use := "gate rules use " + shortDigest(own.Digest)
	switch {
	case own.Digest == inForce.Digest:
		r.logger.InfoContext(ctx, "the rule set of this worker's files is in force", about...)
	case r.set(inForce.Digest) != nil:
		r.logger.WarnContext(
			ctx,
			"the rule files have a set that was in force before, and a newer set stays "+
				"in force, which this worker uses until it ends; run toGoBack to go back",
			append(about, "toGoBack", use)...)
	default:
		r.logger.WarnContext(
			ctx,
			"the rule files have a set that was in force before, and this worker does not "+
				"have the newer set in force, so other workers check orders; give it the newer files, "+
				"or run toGoBack to go back",
			append(about, "toGoBack", use)...)
	}
}
