package live_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/rules/live"
	"error-check-gate/internal/rules/rulefile"
	"error-check-gate/internal/rules/rulestest"
)

const liveRules = `
version: 1
name: live
defaults: {severity: error}
tables:
  limits: {file: limits.csv, key: Customer}
rules:
- id: limit
  scope: order
  when: "order.customer.name in tables.limits && order.total > dec(tables.limits[order.customer.name].Limit)"
  message: "'more than ' + tables.limits[order.customer.name].Limit"
`

func TestLiveFollowsItsFiles(t *testing.T) {
	dir := rulestest.Write(t, map[string]string{"rules.yaml": liveRules,
		"limits.csv": "Customer,Limit\nOak & Sons,100\n"})
	rulesFile, table := filepath.Join(dir, "rules.yaml"), filepath.Join(dir, "limits.csv")
	change := func(path, text string) {
		t.Helper()
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	var log bytes.Buffer
	reader := sdkmetric.NewManualReader()
	followed, err := live.Follow(t.Context(), []string{rulesFile}, live.Options{
		Logger: slog.New(
			slog.NewTextHandler(&log, nil),
		), Meter: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
	})
	require.NoError(t, err)
	findings := func() []string {
		return rulestest.FindingIDs(rulestest.Evaluate(t, followed.Set(), rulestest.Changed(t, `{}`)))
	}
	assert.Equal(t, []string{"limit"}, findings())
	first := followed.Set().Digest()
	assert.False(t, followed.Reload(t.Context()), "nothing changed")

	// The same size and, within the clock's resolution, the same time: only the content differs.
	change(table, "Customer,Limit\nOak & Sons,900\n")
	assert.True(t, followed.Reload(t.Context()))
	assert.Empty(t, findings())
	assert.NotEqual(t, first, followed.Set().Digest())
	assert.Contains(t, log.String(), "loaded a new rule set")

	log.Reset()
	second := followed.Set().Digest()
	change(rulesFile, strings.Replace(liveRules, "order.total >", "order.totl >", 1))
	assert.False(t, followed.Reload(t.Context()))
	assert.Equal(t, second, followed.Set().Digest(), "a broken file keeps the previous set")
	assert.Contains(t, log.String(), "kept the previous rule set")
	assert.Contains(t, log.String(), "rules.yaml:10:56: unknown field of Order, did you mean total?")
	log.Reset()
	assert.False(t, followed.Reload(t.Context()))
	assert.Empty(t, log.String(), "a fault is logged once")

	require.NoError(t, os.Remove(table))
	change(rulesFile, liveRules)
	assert.False(t, followed.Reload(t.Context()))
	assert.Contains(t, log.String(), "limits.csv")
	log.Reset()
	change(table, "Customer,Limit\nOak & Sons,900\n")
	assert.False(t, followed.Reload(t.Context()))
	assert.Contains(t, log.String(), "valid again")
	assert.Equal(t, second, followed.Set().Digest())

	change(rulesFile, strings.Replace(liveRules, "'more than '", "'above '", 1))
	assert.True(t, followed.Reload(t.Context()))

	want := map[string]int64{
		"gate.rules.reloads outcome=loaded": 2, "gate.rules.reloads outcome=failed": 2,
		"gate.rules.findings rule=limit shadow=false": 0, "gate.rules.unevaluated rule=limit shadow=false": 0,
	}
	for _, outcome := range ordercheck.ErrorOutcomes() {
		want["gate.rules.outcomes outcome="+string(outcome)+" rule=limit"] = 0
	}
	assert.Equal(t, want, counted(t, reader), "counters of events that have not happened are 0")
}

// counted returns a meter's counts by instrument and attributes. The count of a histogram is its
// number of values.
func counted(t *testing.T, reader sdkmetric.Reader) map[string]int64 {
	t.Helper()
	var collected metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &collected))
	counts := map[string]int64{}
	for _, scope := range collected.ScopeMetrics {
		for _, instrument := range scope.Metrics {
			add := func(attributes attribute.Set, value int64) {
				key := instrument.Name
				for _, attribute := range attributes.ToSlice() {
					key += " " + string(attribute.Key) + "=" + attribute.Value.String()
				}
				counts[key] = value
			}
			switch data := instrument.Data.(type) {
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					add(point.Attributes, point.Value)
				}
			case metricdata.Histogram[float64]:
				for _, point := range data.DataPoints {
					add(point.Attributes, int64(point.Count)) //nolint:gosec // a few
				}
			default:
				require.Fail(t, "another kind of instrument", instrument.Name)
			}
		}
	}
	return counts
}

func TestChecksAreCountedByRule(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	followed, err := live.Follow(t.Context(), nil,
		live.Options{Meter: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))})
	require.NoError(t, err)
	followed.Count(t.Context(), ordercheck.CheckedOrder{
		Findings:   []ordercheck.Finding{{RuleID: "a"}, {RuleID: "a"}, {RuleID: "b"}},
		RuleErrors: []ordercheck.RuleError{{RuleID: "c"}},
		Shadow: []ordercheck.ShadowResult{{RuleID: "d", Findings: 3}, {RuleID: "e", Error: "null"},
			{RuleID: "f", Skipped: "needs the customer", Missing: []string{"customer"}},
			{RuleID: "g", Skipped: "the order is cancelled"}},
	})
	happened := counted(t, reader)
	maps.DeleteFunc(happened, func(_ string, times int64) bool { return times == 0 })
	assert.Equal(t, map[string]int64{
		"gate.rules.findings rule=a shadow=false": 2, "gate.rules.findings rule=b shadow=false": 1,
		"gate.rules.findings rule=d shadow=true":     3,
		"gate.rules.unevaluated rule=c shadow=false": 1, "gate.rules.unevaluated rule=e shadow=true": 1,
		"gate.rules.unevaluated rule=f shadow=true": 1,
	}, happened)

	for _, outcome := range []ordercheck.Outcome{
		ordercheck.OutcomeFixedInGrace, ordercheck.OutcomeOverridden,
	} {
		followed.CountOutcome(t.Context(),
			ordercheck.RuleOutcome{RuleID: "a", Outcome: outcome, Count: 2, Seconds: 60})
	}
	happened = counted(t, reader)
	assert.EqualValues(t, 2, happened["gate.rules.outcomes outcome=fixed-in-grace rule=a"])
	assert.EqualValues(t, 2, happened["gate.rules.outcomes outcome=overridden rule=a"])
	assert.EqualValues(t, 2, happened["gate.rules.time.to.fix rule=a"])

	silent, err := live.Follow(t.Context(), nil, live.Options{})
	require.NoError(t, err)
	silent.Count(t.Context(), ordercheck.CheckedOrder{Findings: []ordercheck.Finding{{RuleID: "a"}}})
	silent.CountOutcome(t.Context(), ordercheck.RuleOutcome{RuleID: "a", Count: 1})
}

// TestManyRulesAreCounted loads more rules than metrics have room for. The first rules keep their
// ids, the others are counted together, and nothing is counted without a rule.
func TestManyRulesAreCounted(t *testing.T) {
	const many = 2500
	files := map[string]string{}
	var paths []string
	for at := 0; at < many; at += 500 {
		var text strings.Builder
		fmt.Fprintf(&text, "version: 1\nname: part\nrules:\n")
		for i := at; i < at+500; i++ {
			fmt.Fprintf(&text, "- {id: rule-%04d, scope: order, severity: error, description: d, "+
				"when: order.isCancelled, message: \"'m'\"}\n", i)
		}
		name := fmt.Sprintf("part-%d.yaml", at)
		files[name] = text.String()
		paths = append(paths, name)
	}
	dir := rulestest.Write(t, files)
	for i := range paths {
		paths[i] = filepath.Join(dir, paths[i])
	}
	reader := sdkmetric.NewManualReader()
	followed, err := live.Follow(t.Context(), paths,
		live.Options{Meter: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))})
	require.NoError(t, err)
	for i := range many {
		rule := fmt.Sprintf("rule-%04d", i)
		followed.Count(t.Context(), ordercheck.CheckedOrder{
			Findings:   []ordercheck.Finding{{RuleID: rule}},
			RuleErrors: []ordercheck.RuleError{{RuleID: rule}},
			Shadow:     []ordercheck.ShadowResult{{RuleID: rule, Findings: 1}},
		})
		for _, outcome := range ordercheck.ErrorOutcomes() {
			followed.CountOutcome(t.Context(),
				ordercheck.RuleOutcome{RuleID: rule, Outcome: outcome, Count: 1, Seconds: 60})
		}
	}
	counts := counted(t, reader)
	for key := range counts {
		assert.NotContains(t, key, "overflow")
	}
	const named, namedOutcomes = 900, 250
	for _, name := range []string{
		"gate.rules.findings rule=%s shadow=false", "gate.rules.findings rule=%s shadow=true",
		"gate.rules.unevaluated rule=%s shadow=false",
	} {
		assert.EqualValues(t, 1, counts[fmt.Sprintf(name, "rule-0899")], name)
		assert.EqualValues(t, many-named, counts[fmt.Sprintf(name, ordercheck.OtherRules)], name)
	}
	for _, outcome := range ordercheck.ErrorOutcomes() {
		name := "gate.rules.outcomes outcome=" + string(outcome) + " rule="
		assert.EqualValues(t, 1, counts[name+"rule-0249"], name)
		assert.EqualValues(t, many-namedOutcomes, counts[name+ordercheck.OtherRules], name)
	}
	assert.EqualValues(t, 2, counts["gate.rules.time.to.fix rule=rule-0249"])
	assert.EqualValues(t, 2*(many-namedOutcomes),
		counts["gate.rules.time.to.fix rule="+ordercheck.OtherRules])
}

func TestLiveRunsUntilItIsStopped(t *testing.T) {
	dir := rulestest.Write(t, map[string]string{"rules.yaml": liveRules,
		"limits.csv": "Customer,Limit\nOak & Sons,100\n"})
	followed, err := live.Follow(t.Context(), []string{filepath.Join(dir, "rules.yaml")},
		live.Options{Every: time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { assert.NoError(t, followed.Run(ctx)) })
	before := followed.Set().Digest()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "limits.csv"), []byte("Customer,Limit\n"),
		0o600))
	require.Eventually(t, func() bool { return followed.Set().Digest() != before }, time.Minute,
		time.Millisecond)
	cancel()
	done.Wait()
}

func TestLiveWithTheDefaultSet(t *testing.T) {
	followed, err := live.Follow(t.Context(), nil, live.Options{})
	require.NoError(t, err)
	assert.Same(t, rulefile.Default(), followed.Set())
	assert.False(t, followed.Reload(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, followed.Run(ctx))
}

func TestLiveRefusesToStartBroken(t *testing.T) {
	dir := rulestest.Write(t, map[string]string{"rules.yaml": "version: 7"})
	_, err := live.Follow(t.Context(), []string{filepath.Join(dir, "rules.yaml")}, live.Options{})
	var faults rulefile.Faults
	require.ErrorAs(t, err, &faults)
}

func TestPaths(t *testing.T) {
	assert.Equal(t, []string{"a.yaml", "b c.yaml"}, rulefile.Paths(" a.yaml, b c.yaml ,,"))
	assert.Empty(t, rulefile.Paths("  "))
}
