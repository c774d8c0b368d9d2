package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/desk/orders"
	"error-check-gate/desk/orders/orderstest"
	"error-check-gate/internal/ordercheck"
)

func TestCheck(t *testing.T) {
	a := startAPI(t)
	got := a.post("check", "")
	assert.Equal(t, 200, got.status)
	assert.Equal(t, orders.ReleaseNo, got.order(t).Release)
	assert.Equal(t, 200, a.post("check", "{}").status)
	assert.Equal(t, 400, a.post("check", `{"by":"me"}`).status)
	assert.Equal(t, 400, a.post("check", `null`).status)
	assert.Equal(t, 413, a.post("check", strings.Repeat(" ", maxBody+1)).status)
	header := http.Header{"Authorization": {"Bearer " + actToken}, "Content-Type": {"text/plain"}}
	assert.Equal(t, 415, a.send(http.MethodPost, testOrderPath+"/check", header, "{}").status)
	assert.Equal(t, 404, a.do(http.MethodPost, ordersPath+"/unknown/check", actToken, "").status)

	a.orders.CheckErr = temporal.NewNonRetryableApplicationError(
		"InFlow refused the key", ordercheck.ErrorInflowUnauthorized, nil)
	got = a.post("check", "")
	assert.Equal(t, 502, got.status)
	assert.Equal(t, []string{"InFlow refused the key"}, got.problem(t).Faults)
	a.orders.CheckErr = temporal.NewNonRetryableApplicationError(
		"gone", ordercheck.ErrorOrderNotFound, nil)
	assert.Equal(t, 404, a.post("check", "").status)
	a.orders.CheckErr = fmt.Errorf("%w: no worker", orders.ErrUnavailable)
	assert.Equal(t, 503, a.post("check", "").status)
}

func TestCheckThatTakesTooLong(t *testing.T) {
	a := startAPI(t)
	assert.Equal(t, 30*time.Second, a.checkTimeout)
	a.checkTimeout = time.Millisecond
	a.orders.Checking = make(chan struct{})
	path := ordersPath + "/" + orderstest.Number
	got := a.do(http.MethodPost, path+"/check", actToken, "")
	require.Equal(t, 202, got.status)
	assert.Equal(t, testOrderPath, got.header.Get("Location"))
	assert.Equal(t, orders.ReleaseUnknown, got.order(t).Release)
	assert.Equal(t, 200, a.get(got.header.Get("Location")).status)
}

func TestOverride(t *testing.T) {
	a := startAPI(t)
	got := a.post("override", `{"findings":["all"],"reason":"agreed","until":"2026-12-31T00:00:00Z"}`)
	require.Equal(t, 200, got.status)
	order := got.order(t)
	assert.Equal(t, orders.ReleaseYes, order.Release)
	assert.Equal(t, &ordercheck.Override{
		By: "api:clerk", Reason: "agreed", Until: time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC),
	}, order.Findings[0].Override)
	got = a.post("override", `{"findings":["price/1"],"reason":"agreed","for":"72h"}`)
	assert.Equal(t, 200, got.status)

	got = a.post("override", `{"for":"never"}`)
	assert.Equal(t, 422, got.status)
	faults := got.problem(t).Faults
	require.Len(t, faults, 3, "all faults at once")
	for i, field := range []string{"reason", "for", "findings"} {
		assert.Contains(t, faults[i], `"`+field+`"`)
	}
	path := ordersPath + "/unknown/override"
	assert.Equal(t, 404, a.do(http.MethodPost, path, actToken, "{}").status)
}

func TestOverrideThatMayHaveHappened(t *testing.T) {
	const override = `{"findings":["all"],"reason":"x","for":"1h"}`
	a := startAPI(t)
	a.orders.NotOpen = true
	assert.Equal(t, 409, a.post("override", override).status)
	a.orders.NotOpen = false

	a.orders.ActErr = fmt.Errorf("%w: completed", orders.ErrRunEnded)
	got := a.post("override", override)
	assert.Equal(t, 409, got.status, "the run accepted it")
	assert.Contains(t, got.problem(t).Detail, "Read the order")
	a.orders.ActErr = fmt.Errorf("%w: no worker", orders.ErrUnavailable)
	got = a.post("comment", `{"text":"x"}`)
	assert.Equal(t, 503, got.status)
	assert.Contains(t, got.problem(t).Detail, "may still")
}

func TestComment(t *testing.T) {
	a := startAPI(t)
	got := a.post("comment", `{"text":"called the customer\n<b>twice</b>"}`)
	require.Equal(t, 200, got.status)
	timeline := got.order(t).Timeline
	last := timeline[len(timeline)-1]
	assert.Equal(t, "api:clerk", last.By)
	assert.Equal(t, "called the customer\n<b>twice</b>", last.Text)
	assert.Equal(t, 422, a.post("comment", `{"text":" "}`).status)
	assert.Equal(t, 422, a.post("comment", `{"text":"`+strings.Repeat("x", 2001)+`"}`).status)
	a.orders.NotOpen = true
	assert.Equal(t, 409, a.post("comment", `{"text":"x"}`).status)
}
