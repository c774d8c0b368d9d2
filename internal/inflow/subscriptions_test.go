package inflow_test

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
)

const (
	subscriptionID = "7c0e4a52-0000-4000-8000-000000000001"
	requestID      = "7c0e4a52-0000-4000-8000-000000000002"
	hookURL        = "https://gate.example/webhook/inflow"
)

var salesOrderEvents = []string{inflow.EventSalesOrderCreated, inflow.EventSalesOrderUpdated}

func TestSubscribe(t *testing.T) {
	var body map[string]any
	client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, http.MethodPut, r.Method)
		assert.Equal(t, "/"+companyID+"/webhooks", r.URL.Path)
		assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
		sent, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.NoError(t, json.Unmarshal(sent, &body))
		answer(http.StatusOK, `{"webHookSubscriptionId":"`+subscriptionID+`","url":"`+hookURL+
			`","events":["salesOrder.created","salesOrder.updated"],"secret":"c2VjcmV0LXRleHQ="}`)(w, r)
	})
	got, err := client.Subscribe(t.Context(), inflow.SubscriptionRequest{
		ID: subscriptionID, RequestID: requestID, URL: hookURL, Events: salesOrderEvents,
	})
	require.NoError(t, err)
	assert.Equal(t, map[string]any{
		"webHookSubscriptionId":        subscriptionID,
		"webHookSubscriptionRequestId": requestID,
		"url":                          hookURL,
		"events":                       []any{"salesOrder.created", "salesOrder.updated"},
	}, body)
	assert.Equal(t, &inflow.Subscription{ID: subscriptionID, URL: hookURL, Events: salesOrderEvents,
		Secret: "c2VjcmV0LXRleHQ="}, got)
	assert.Equal(t, "c2VjcmV0LXRleHQ=", string(got.Secret))
}

func TestSubscribeValidatesItsRequest(t *testing.T) {
	client := newClient(t, func(http.ResponseWriter, *http.Request) {
		t.Error("a request was made")
	})
	_, err := client.Subscribe(t.Context(), inflow.SubscriptionRequest{URL: "gate.example"})
	for _, want := range []string{"subscription's id", "request's id", "URL",
		"salesOrder.created"} {
		assert.ErrorContains(t, err, want)
	}
}

func TestSubscriptions(t *testing.T) {
	const one = `{"webHookSubscriptionId":"` + subscriptionID + `","url":"` + hookURL +
		`","events":["salesOrder.created"]}`
	client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.Path {
		case "GET /" + companyID + "/webhooks":
			answer(http.StatusOK, "["+one+"]")(w, r)
		case "GET /" + companyID + "/webhooks/" + subscriptionID:
			answer(http.StatusOK, one)(w, r)
		case "DELETE /" + companyID + "/webhooks/" + subscriptionID:
			w.WriteHeader(http.StatusOK)
		default:
			http.NotFound(w, r)
		}
	})
	want := inflow.Subscription{ID: subscriptionID, URL: hookURL,
		Events: []string{"salesOrder.created"}}

	list, err := client.Subscriptions(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []inflow.Subscription{want}, list)

	got, err := client.Subscription(t.Context(), subscriptionID)
	require.NoError(t, err)
	assert.Equal(t, &want, got)

	require.NoError(t, client.Unsubscribe(t.Context(), subscriptionID))

	_, err = client.Subscription(t.Context(), "unknown")
	assertKind(t, err, inflow.KindNotFound)
	assertKind(t, client.Unsubscribe(t.Context(), "unknown"), inflow.KindNotFound)
	assertKind(t, client.Unsubscribe(t.Context(), ""), inflow.KindNotFound)
}

func TestSubscriptionsRejectsBadResponses(t *testing.T) {
	client := newClient(t, answer(http.StatusOK,
		`{"webHookSubscriptionId":"another","secret":"`+private+`"}`))
	_, err := client.Subscriptions(t.Context())
	assertKind(t, err, inflow.KindBadResponse)
	_, err = client.Subscription(t.Context(), subscriptionID)
	assertKind(t, err, inflow.KindBadResponse)
	_, err = client.Subscribe(t.Context(), inflow.SubscriptionRequest{
		ID: subscriptionID, RequestID: requestID, URL: hookURL, Events: salesOrderEvents,
	})
	assertKind(t, err, inflow.KindBadResponse)
}
