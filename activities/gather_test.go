package activities_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"

	"error-check-gate/activities"
	"error-check-gate/internal/dev/mailcatcher"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/notify"
	"error-check-gate/internal/ordercheck"
)

// admissions answers like a receiver's run, and records the requests.
type admissions struct {
	gathered bool
	asked    map[string][]ordercheck.Admission // by workflow id
}

func (a *admissions) NewWithStartWorkflowOperation(
	client.StartWorkflowOptions, any, ...any,
) client.WithStartWorkflowOperation {
	return nil // nobody uses it
}

func (a *admissions) UpdateWithStartWorkflow(
	_ context.Context, o client.UpdateWithStartWorkflowOptions,
) (client.WorkflowUpdateHandle, error) {
	asked := o.UpdateOptions.Args[0].(*ordercheck.Admission)
	a.asked[o.UpdateOptions.WorkflowID] = append(a.asked[o.UpdateOptions.WorkflowID], *asked)
	return &admittedHandle{gathered: a.gathered}, nil
}

type admittedHandle struct {
	client.WorkflowUpdateHandle
	gathered bool
}

func (h *admittedHandle) Get(_ context.Context, result any) error {
	*result.(*ordercheck.Admitted) = ordercheck.Admitted{Gathered: h.gathered}
	return nil
}

// reps returns an environment in which the order has a sales rep at InFlow, and its mail server.
func reps(
	t *testing.T, email string, a *admissions,
) (*testsuite.TestActivityEnvironment, *mailcatcher.Server) {
	t.Helper()
	server := httptest.NewServer(
		answer(
			http.StatusOK,
			nil,
			`{"salesOrderId":"`+orderID+`","timestamp":"0000000000310AB6","lines":[],
		"salesRepTeamMember":{"teamMemberId":"t","name":"Rep","email":"`+email+`"}}`,
		),
	)
	t.Cleanup(server.Close)
	orders, err := inflow.NewClient(
		inflow.Options{
			BaseURL:   server.URL,
			CompanyID: "company",
			APIKey:    "key",
			Timeout:   5 * time.Second,
		},
	)
	require.NoError(t, err)
	catcher, err := mailcatcher.Start(t.Context(), mailcatcher.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, catcher.Stop()) })
	notifier, err := notify.New(notify.Options{
		SMTP: notify.SMTP{
			Addr: catcher.SMTPAddr,
			TLS:  notify.TLSNone,
			From: mail.Address{Address: "gate@example.com"},
		},
		SalesRep: true,
	})
	require.NoError(t, err)
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	(&activities.Activities{Orders: orders, Notifier: notifier, SalesRep: true, NoticesPerHour: 3,
		Gatherers: a}).RegisterInflow(
		env,
	)
	return env, catcher
}

func notice() ordercheck.NotifyInput {
	return ordercheck.NotifyInput{Target: ordercheck.TargetSalesRep, Notice: ordercheck.Notice{
		Kind: ordercheck.NoticeFailed, Key: "key-1", HasSalesRep: true, At: time.Now(),
		Report: ordercheck.Report{SalesOrderID: orderID, OrderNumber: "SO-1"},
	}}
}

func mails(t *testing.T, catcher *mailcatcher.Server) int {
	t.Helper()
	list, err := catcher.List(t.Context())
	require.NoError(t, err)
	return len(list)
}

// receiverOf returns the receiver that a rep's notice asks for.
func receiverOf(t *testing.T, email string) string {
	t.Helper()
	a := &admissions{gathered: true, asked: map[string][]ordercheck.Admission{}}
	env, catcher := reps(t, email, a)
	value, err := env.ExecuteActivity(ordercheck.ActivityNotify, notice())
	require.NoError(t, err)
	var result ordercheck.NotifyResult
	require.NoError(t, value.Get(&result))
	assert.True(t, result.Gathered)
	assert.Zero(t, mails(t, catcher))
	require.Len(t, a.asked, 1)
	for id, asked := range a.asked {
		assert.Equal(t, 3, asked[0].Limit)
		assert.Equal(t, time.Hour, asked[0].Window)
		return ordercheck.GatherReceiver(id)
	}
	return ""
}

func TestNoticeBelowTheLimitIsSent(t *testing.T) {
	a := &admissions{asked: map[string][]ordercheck.Admission{}}
	env, catcher := reps(t, "ann@example.com", a)
	_, err := env.ExecuteActivity(ordercheck.ActivityNotify, notice())
	require.NoError(t, err)
	assert.Equal(t, 1, mails(t, catcher))
	assert.Len(t, a.asked, 1)
}

func TestGatheredNoticesMoveToTheOrdersNewRep(t *testing.T) {
	ann, bob := receiverOf(t, "ann@example.com"), receiverOf(t, "bob@example.com")
	require.NotEqual(t, ann, bob)
	in := ordercheck.SendGatheredInput{Receiver: ann, LookUp: orderID, Message: ordercheck.Collection{
		Key: "gathered-key-1", At: time.Now(), Notices: []ordercheck.GatheredNotice{
			{Key: "key-1", Kind: ordercheck.NoticeFailed, SalesOrderID: orderID, HasSalesRep: true},
			{Key: "key-2", Kind: ordercheck.NoticeFailed, SalesOrderID: "another", HasSalesRep: true},
			{Key: "key-3", Kind: ordercheck.NoticeResolved, SalesOrderID: orderID, HasSalesRep: true},
		},
	}}
	for _, test := range []struct {
		rep   string
		mails int
		moved []string // keys
	}{
		{rep: "ANN@example.com", mails: 1},
		{rep: "bob@example.com", moved: []string{"key-1", "key-3"}},
		{rep: ""},
	} {
		a := &admissions{gathered: true, asked: map[string][]ordercheck.Admission{}}
		env, catcher := reps(t, test.rep, a)
		value, err := env.ExecuteActivity(ordercheck.ActivitySendGathered, in)
		require.NoError(t, err, test.rep)
		var sent ordercheck.SentGathered
		require.NoError(t, value.Get(&sent))
		assert.Equal(t, test.mails == 0, sent.Moved, test.rep)
		assert.Equal(t, test.mails, mails(t, catcher), test.rep)
		var moved []string
		for _, asked := range a.asked[ordercheck.GatherWorkflowID(bob)] {
			assert.True(t, asked.Gather)
			moved = append(moved, asked.Notice.Key)
		}
		assert.Equal(t, test.moved, moved, test.rep)
	}
}
