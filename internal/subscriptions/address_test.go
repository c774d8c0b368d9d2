package subscriptions

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
)

func TestCheckURL(t *testing.T) {
	const path = WebhookPath
	for _, tc := range []struct {
		url, want string
		warnings  []string
		faults    []string
	}{
		{url: "https://gate.example.com" + path, want: "https://gate.example.com" + path},
		{url: "HTTPS://Gate.Example.com:8443" + path, want: "https://gate.example.com:8443" + path},
		{url: "https://gate.example.com:" + path, want: "https://gate.example.com" + path},
		{url: "https://gate.example.com", want: "https://gate.example.com",
			warnings: []string{`the path is ""`}},
		{url: "https://gate.example.com" + path + "/", want: "https://gate.example.com" + path +
			"/", warnings: []string{"the path is"}},
		{url: "https://gate.example.com/hooks/inflow?site=2",
			want:     "https://gate.example.com/hooks/inflow?site=2",
			warnings: []string{"the path is"}},
		{url: "http://localhost:5000" + path, want: "http://localhost:5000" + path,
			warnings: []string{"cannot reach"}},
		{url: "http://127.0.0.1:5000" + path, want: "http://127.0.0.1:5000" + path,
			warnings: []string{"cannot reach"}},
		{url: "https://[::1]" + path, want: "https://[::1]" + path,
			warnings: []string{"cannot reach"}},
		{url: "https://192.168.1.4" + path, want: "https://192.168.1.4" + path,
			warnings: []string{"private network"}},
		{url: "http://gate.example.com" + path, faults: []string{"https://"}},
		{url: "http://localhost.example.com" + path, faults: []string{"https://"}},
		{url: "gate.example.com" + path, faults: []string{"begin with https://"}},
		{url: "ftp://gate.example.com", faults: []string{"begin with https://"}},
		{url: "https://", faults: []string{"have a host"}},
		{url: "https://gate.example.com:0" + path, faults: []string{"not a port"}},
		{url: "https://gate.example.com:99999" + path, faults: []string{"not a port"}},
		{url: "https://grün.example" + path, faults: []string{"xn--"}},
		{url: "https://gate:hush@gate.example.com" + path + "#top",
			faults: []string{"user or password", "fragment"}},
		{url: "https://gate.example.com" + path + "#", faults: []string{"fragment"}},
		{url: "https://gate:hush@gate.example.com:port/", faults: []string{"is not valid"}},
		{url: " https://gate.example.com", faults: []string{"is not valid"}},
	} {
		t.Run(tc.url, func(t *testing.T) {
			got, warnings, err := CheckURL(tc.url, inflow.DefaultBaseURL)
			if len(tc.faults) > 0 {
				for _, want := range tc.faults {
					require.ErrorContains(t, err, want)
				}
				assert.NotContains(t, err.Error(), "hush")
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tc.want, got)
			require.Len(t, warnings, len(tc.warnings), "%s", strings.Join(warnings, "\n"))
			for i, want := range tc.warnings {
				assert.Contains(t, warnings[i], want)
			}
		})
	}
	_, warnings, err := CheckURL("http://127.0.0.1:5000"+path, "http://127.0.0.1:5010")
	require.NoError(t, err)
	assert.Empty(t, warnings, "a stand-in on this machine reaches it")
}

func TestSameURL(t *testing.T) {
	const url = "https://gate.example.com/webhook/inflow"
	for other, want := range map[string]bool{
		url:       true,
		url + "/": true,
		"https://GATE.example.com:443/webhook/inflow": true,
		"https://gate.example.com./webhook/inflow":    true,
		"https://gate.example.com:444/webhook/inflow": false,
		"http://gate.example.com/webhook/inflow":      false,
		"https://gate.example.com/Webhook/inflow":     false,
		url + "?site=2":            false,
		"https://gate.example.com": false,
		"::":                       false,
	} {
		assert.Equal(t, want, sameURL(url, other), other)
		assert.Equal(t, want, sameURL(other, url), other)
	}
	assert.True(t, sameURL("https://gate.example.com", "https://gate.example.com/"))
	assert.True(t, sameURL("http://[::1]:80/x", "http://[::1]/x"))
	assert.True(t, sameURL("::", "::"))
}

func TestCheckEvents(t *testing.T) {
	events, warnings, err := CheckEvents([]string{"salesOrder.updated", "SalesOrderCreatedV1",
		"SALESORDER.UPDATED"})
	require.NoError(t, err)
	assert.Empty(t, warnings)
	assert.Equal(t, []string{"salesOrder.updated", "SalesOrderCreatedV1"}, events)

	_, warnings, err = CheckEvents([]string{"customer.created"})
	require.NoError(t, err)
	require.Len(t, warnings, 1)
	assert.Contains(t, warnings[0], "sales order event")

	_, _, err = CheckEvents([]string{"salesOrder.update", "salesOrder.updated", ""})
	require.ErrorContains(t, err, `no event "salesOrder.update"`)
	require.ErrorContains(t, err, `no event ""`)
	assert.Equal(t, 2, strings.Count(err.Error(), "no event"))
}

func TestStagingEventsAreIgnoredAndDiffer(t *testing.T) {
	for _, final := range [][]string{DefaultEvents(), {"vendor.created"},
		{"vendor.created", "salesOrder.updated"}} {
		staging := stagingEvents(final)
		assert.Len(t, staging, 1)
		assert.False(t, SameEvents(staging, final))
		entity, _ := inflow.ParseEvent(staging[0])
		assert.NotEmpty(t, entity)
		assert.NotEqual(t, inflow.EntitySalesOrder, entity)
	}
}
