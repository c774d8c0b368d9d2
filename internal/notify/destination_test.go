package notify_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/notify"
)

func TestParseDestinations(t *testing.T) {
	const hook, slack, telegram = "https://hooks.example.com/a,b",
		"slack://hook:AAAAAAAAA-BBBBBBBBB-123456789123456789123456@webhook",
		"telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?chats=@one,@two"
	for _, test := range []struct {
		list     string
		services []string
	}{
		{"", nil},
		{" ,\n ", nil},
		{hook, []string{"webhook"}},
		{hook + "," + slack, []string{"webhook", "slack"}},
		{telegram + ", " + hook + ",", []string{"telegram", "telegram", "webhook"}},
		{"\n" + slack + "\r\n" + telegram + "\t" + hook + "\n",
			[]string{"slack", "telegram", "telegram", "webhook"}},
		{"HTTPS://hooks.example.com/x,http://127.0.0.1:80/x,http://[::1]/x,http://localhost/x",
			[]string{"webhook", "webhook", "webhook", "webhook"}},
		{"generic+https://hooks.example.com/x", []string{"generic"}},
		{"matrix://gate:hush@matrix.invalid/?rooms=!room:example.com", []string{"matrix"}},
	} {
		parsed, err := notify.ParseDestinations(test.list)
		require.NoError(t, err, test.list)
		var services []string
		for _, d := range parsed {
			service, digest, _ := strings.Cut(d.String(), ":")
			services = append(services, service)
			assert.Regexp(t, "^[0-9a-f]{6}$", digest)
		}
		assert.Equal(t, test.services, services, test.list)
	}
}

func TestParseDestinationsFaults(t *testing.T) {
	for _, test := range []struct{ list, want string }{
		{"hush-token", "URL 1 of 1 does not begin with https:// or the name of a service (bark, " +
			"discord, generic, "},
		{"hush:token@webhook",
			"URL 1 of 1 does not begin with https:// or the name of a service ("},
		{"https://fine.example,hush://token", "URL 2 of 2 does not begin with https:// or the " +
			"name of a service ("},
		{"https:///hush-token", "URL 1 of 1 has no host after ://"},
		{"https://hush.example/%zz",
			"URL 1 of 1 is not a URL: write a space as %20 and a % as %25"},
		{"http://hush.example/token", "URL 1 of 1 begins with http://, but its host is another " +
			"machine: write https://"},
		{"slack://hush", "URL 1 of 1 is not a valid slack:// URL: see " +
			"https://shoutrrr.nickfedor.com/services/"},
		{"discord://hush", "URL 1 of 1 is not a valid discord:// URL: see " +
			"https://shoutrrr.nickfedor.com/services/"},
		{"smtp://gate:hush@smtp.example.com/?from=a@example.com&to=b@example.com",
			"URL 1 of 1 begins with smtp://: use SMTP_ADDR and MAIL_TO to send mail"},
		{"telegram://110201543:hush@telegram?chats=@team:thread",
			"URL 1 of 1 has a thread after a chat's colon that is not a number"},
		{"telegram://hush@telegram?chats=@team", "URL 1 of 1 is not a valid telegram:// URL"},
		{"logger://", "URL 1 of 1 does not begin with https:// or the name of a service ("},
		{"https://fine.example/hush https://fine.example/hush", "URL 2 of 2 is listed twice"},
	} {
		_, err := notify.ParseDestinations(test.list)
		require.ErrorContains(t, err, test.want, test.list)
		assert.NotContains(t, strings.ReplaceAll(err.Error(), "pushover", ""), "hush", test.list)
	}
	_, err := notify.ParseDestinations("hush1, http://hush2.example, https://fine.example, " +
		"slack://hush3")
	require.Error(t, err)
	assert.Equal(t, 3, strings.Count(err.Error(), "URL "), "all faults are reported")
}

func TestPrintingDoesNotShowTokens(t *testing.T) {
	options := to("127.0.0.1:1", jane)
	options.SMTP.Username, options.SMTP.Password = "gate", "hush"
	options.Destinations = destinations(t, "https://gate:hush@hooks.example.com/hush-token",
		"slack://hook:AAAAAAAAA-BBBBBBBBB-123456789123456789123456@webhook")
	n := notifier(t, options)
	for _, printed := range []any{options, &options, options.Destinations, options.Destinations[0],
		n, n.Targets(failed()), n.Targets(failed())[1]} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			text := fmt.Sprintf(verb, printed)
			assert.NotContains(t, text, "hush", verb)
			assert.NotContains(t, text, "BBBBBBBBB", verb)
		}
	}
	for _, name := range names(n, failed()) {
		assert.NotContains(t, name, "hush")
		assert.NotContains(t, name, "hooks.example.com")
	}
}
