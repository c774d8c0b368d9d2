package notify

import (
	"encoding/json"
	"testing"

	"github.com/nicholas-fedor/shoutrrr/pkg/format"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/slack"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const overriddenText = "[OVERRIDDEN] SO-001057: 2 errors\nAcme Kitchens\n• order: the PO number " +
	"is missing"

func TestSlackGetsTheNoticeAsItsText(t *testing.T) {
	text, parameters := newChat("slack", "").content(message{text: overriddenText})
	config := &slack.Config{}
	resolver := format.NewPropKeyResolver(config)
	require.NoError(t, resolver.UpdateConfigFromParams(config, parameters))
	payload, err := json.Marshal(slack.CreateJSONPayload(config, text))
	require.NoError(t, err)
	var body struct {
		Text        string
		Attachments []any
	}
	require.NoError(t, json.Unmarshal(payload, &body))
	assert.Equal(t, overriddenText, body.Text)
	assert.Empty(t, body.Attachments)
}

func TestTeamsSummaryIsTheWholeSubject(t *testing.T) {
	text, parameters := newChat("teams", "").content(message{text: overriddenText})
	assert.Equal(t, "[OVERRIDDEN] SO-001057: 2 errors", (*parameters)["title"],
		"Teams uses the title as summary")
	assert.Equal(t, "Acme Kitchens\n• order: the PO number is missing", text)
}
