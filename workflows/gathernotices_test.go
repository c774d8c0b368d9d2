package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows"
	"error-check-gate/workflows/workflowtest"
)

const office = "mail:8c87b4"

// gatherer is a receiver's run in a test.
type gatherer struct {
	*testsuite.TestWorkflowEnvironment
	t       *testing.T
	start   time.Time
	now     []string // keys that were sent one by one
	sent    []gatheredMessage
	send    func(in ordercheck.SendGatheredInput) (ordercheck.SentGathered, error) // nil sends
	givenUp *observed
}

type gatheredMessage struct {
	at    time.Duration
	key   string
	keys  []string
	queue string
}

func newGatherer(t *testing.T, receiver string) *gatherer {
	t.Helper()
	g := &gatherer{TestWorkflowEnvironment: workflowtest.NewEnvironment(), t: t, givenUp: &observed{}}
	g.start = g.Now()
	gathering := &workflows.NoticeGathering{Observer: g.givenUp}
	g.RegisterWorkflowWithOptions(gathering.GatherNotices,
		workflow.RegisterOptions{Name: ordercheck.GatherWorkflowType})
	g.RegisterActivityWithOptions(
		func(ctx context.Context, in ordercheck.SendGatheredInput) (ordercheck.SentGathered, error) {
			assert.Equal(t, receiver, in.Receiver)
			if g.send != nil {
				if answer, err := g.send(in); err != nil || answer.Moved {
					return answer, err
				}
			}
			message := gatheredMessage{
				at:    g.Now().Sub(g.start),
				key:   in.Message.Key,
				queue: activity.GetInfo(ctx).TaskQueue,
			}
			for _, n := range in.Message.Notices {
				message.keys = append(message.keys, n.Key)
			}
			g.sent = append(g.sent, message)
			return ordercheck.SentGathered{}, nil
		},
		activity.RegisterOptions{Name: ordercheck.ActivitySendGathered},
	)
	g.SetStartWorkflowOptions(
		client.StartWorkflowOptions{
			ID:        ordercheck.GatherWorkflowID(receiver),
			TaskQueue: ordercheck.TaskQueue,
		},
	)
	return g
}

// notice asks at a time whether a notice may be sent.
func (g *gatherer) notice(at time.Duration, order, key string) {
	g.RegisterDelayedCallback(func() {
		g.UpdateWorkflow(ordercheck.UpdateAdmit, "", &testsuite.TestUpdateCallback{
			OnAccept: func() {},
			OnReject: func(err error) { assert.NoError(g.t, err) },
			OnComplete: func(answer any, err error) {
				assert.NoError(g.t, err)
				if admitted, ok := answer.(ordercheck.Admitted); ok && !admitted.Gathered {
					g.now = append(g.now, key)
				}
			},
		}, ordercheck.Admission{Limit: 2, Window: time.Hour, Notice: ordercheck.GatheredNotice{
			Key: key, Kind: ordercheck.NoticeFailed, SalesOrderID: order, HasSalesRep: true,
		}})
	}, at)
}

// run runs until the end, or until another run is to go on: then it returns what that one begins
// with.
func (g *gatherer) run(start workflows.GatherStart) (next workflows.GatherStart) {
	g.t.Helper()
	g.ExecuteWorkflow(ordercheck.GatherWorkflowType, start)
	require.True(g.t, g.IsWorkflowCompleted())
	err := g.GetWorkflowError()
	var goesOn *workflow.ContinueAsNewError
	if errors.As(err, &goesOn) {
		require.NoError(g.t, converter.GetDefaultDataConverter().FromPayloads(goesOn.Input, &next))
		require.NotNil(g.t, next.State)
		return next
	}
	require.NoError(g.t, err)
	return next
}

func TestBurstBecomesOneMessageAfterTheHour(t *testing.T) {
	t.Parallel()
	g := newGatherer(t, office)
	for i := range 5 {
		g.notice(time.Minute+time.Duration(i)*time.Second, fmt.Sprint(i), fmt.Sprint(i))
	}
	g.notice(2*time.Hour, "next", "next")
	next := g.run(workflows.GatherStart{})
	assert.Equal(t, []string{"0", "1", "next"}, g.now)
	assert.Equal(
		t,
		[]gatheredMessage{
			{61 * time.Minute, "gathered-2", []string{"2", "3", "4"}, ordercheck.TaskQueue},
		},
		g.sent,
	)
	assert.InDelta(t, 25, g.Now().Sub(g.start).Hours(), 0.1, "no run is older than that")

	last := newGatherer(t, office)
	last.SetStartTime(g.Now())
	assert.Nil(t, last.run(next).State)
	assert.InDelta(t, 27, last.Now().Sub(g.start).Hours(), 0.1, "it ends a day after the last one")
}

func TestCancelledGathererStillSends(t *testing.T) {
	t.Parallel()
	g := newGatherer(t, office)
	for i := range 3 {
		g.notice(time.Minute, fmt.Sprint(i), fmt.Sprint(i))
	}
	g.RegisterDelayedCallback(g.CancelWorkflow, 2*time.Minute)
	g.run(workflows.GatherStart{})
	assert.Len(t, g.sent, 1)
}

// errDown asks for a delay: the test environment makes 10 attempts at most.
var errDown = temporal.NewApplicationErrorWithOptions("down", "NoticeNotSent",
	temporal.ApplicationErrorOptions{NextRetryDelay: 20 * time.Minute})

func TestGathererAnswersWhileTheMailServerIsDown(t *testing.T) {
	t.Parallel()
	g := newGatherer(t, office)
	for i := range 3 {
		g.notice(0, fmt.Sprint(i), fmt.Sprint(i))
	}
	attempts := 0
	g.send = func(in ordercheck.SendGatheredInput) (ordercheck.SentGathered, error) {
		if attempts++; in.Message.Key == "gathered-2" && g.Now().Sub(g.start) < 3*time.Hour {
			return ordercheck.SentGathered{}, errDown
		}
		return ordercheck.SentGathered{}, nil
	}
	g.notice(90*time.Minute, "other", "other") // its own message goes by another attempt
	g.notice(100*time.Minute, "2", "again")    // must not overtake
	g.run(workflows.GatherStart{})
	assert.Equal(t, []string{"0", "1", "other"}, g.now)
	require.Len(t, g.sent, 2)
	assert.Equal(t, []string{"2"}, g.sent[0].keys)
	assert.GreaterOrEqual(t, g.sent[0].at, 3*time.Hour)
	assert.Equal(t, []string{"again"}, g.sent[1].keys)
	assert.Greater(t, attempts, 5)
	assert.Zero(t, g.givenUp.givenUp)
}

func TestRefusedMessageIsGivenUp(t *testing.T) {
	t.Parallel()
	g := newGatherer(t, office)
	for i := range 4 {
		g.notice(0, fmt.Sprint(i), fmt.Sprint(i))
	}
	g.send = func(ordercheck.SendGatheredInput) (ordercheck.SentGathered, error) {
		return ordercheck.SentGathered{}, temporal.NewNonRetryableApplicationError("no such mailbox",
			"NoticeRefused", nil)
	}
	g.run(workflows.GatherStart{})
	assert.Empty(t, g.sent)
	assert.Equal(t, 2, g.givenUp.givenUp)
}

// No history has the address. Orders that have another rep by now leave the message.
func TestSalesRepsAddressIsLookedUp(t *testing.T) {
	t.Parallel()
	g := newGatherer(t, ordercheck.TargetSalesRep+":0123456789ab")
	for i := range 6 {
		g.notice(0, fmt.Sprint(i), fmt.Sprint(i))
	}
	g.notice(time.Minute, "4", "4 again")
	var asked []string
	g.send = func(in ordercheck.SendGatheredInput) (ordercheck.SentGathered, error) {
		asked = append(asked, in.LookUp)
		switch in.LookUp {
		case "4":
			return ordercheck.SentGathered{Moved: true}, nil
		case "5":
			return ordercheck.SentGathered{}, temporal.NewNonRetryableApplicationError("404",
				ordercheck.ErrorOrderNotFound, nil)
		default:
			return ordercheck.SentGathered{}, nil
		}
	}
	g.run(workflows.GatherStart{})
	assert.Equal(t, []string{"4", "5", "3"}, asked)
	require.Len(t, g.sent, 1)
	assert.Equal(t, []string{"2", "3", "5"}, g.sent[0].keys)
	assert.Equal(t, ordercheck.InflowTaskQueue, g.sent[0].queue)
}

// Waiting notices, the message on its way and past answers go along.
func TestGathererContinuesInTheNextRun(t *testing.T) {
	t.Parallel()
	g := newGatherer(t, office)
	for i := range 3 {
		g.notice(0, fmt.Sprint(i), fmt.Sprint(i))
	}
	g.send = func(ordercheck.SendGatheredInput) (ordercheck.SentGathered, error) {
		return ordercheck.SentGathered{}, errDown
	}
	g.notice(61*time.Minute, "2", "waits")
	g.RegisterDelayedCallback(func() { g.SetContinueAsNewSuggested(true) }, 70*time.Minute)
	start := g.run(workflows.GatherStart{})
	require.NotNil(t, start.State)
	require.NotNil(t, start.State.Sending)
	assert.Equal(t, "gathered-2", start.State.Sending.Key)
	assert.Len(t, start.State.Waiting.Notices, 1)

	before := g.Now()
	g = newGatherer(t, office)
	g.SetStartTime(before)
	g.notice(time.Minute, "1", "1") // asks again
	g.notice(time.Minute, "2", "2")
	g.run(start)
	assert.Equal(t, []string{"1"}, g.now)
	require.Len(t, g.sent, 2)
	assert.Equal(t, []string{"2"}, g.sent[0].keys)
	assert.Equal(t, []string{"waits"}, g.sent[1].keys)
}
