package notify

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/telegram"
)

const telegramService = "telegram"

// telegramAPI is the URL of a bot's methods: https://core.telegram.org/bots/api#sendmessage.
const telegramAPI = "https://api.telegram.org/bot"

// telegramChat posts to one chat. It does not use shoutrrr's sender, which reports success even if
// Telegram cannot be reached.
type telegramChat struct {
	token   string
	message telegramMessage
	client  *http.Client
}

type telegramMessage struct {
	ChatID              string `json:"chat_id"`
	ThreadID            int    `json:"message_thread_id,omitempty"`
	Text                string `json:"text"`
	DisableNotification bool   `json:"disable_notification,omitempty"`
	DisablePreview      bool   `json:"disable_web_page_preview,omitempty"`
}

// parseTelegram returns one destination for each chat in a telegram:// URL of shoutrrr's form, so
// each chat can fail on its own.
func parseTelegram(u *url.URL) ([]Destination, error) {
	config := telegram.Config{Preview: true, Notification: true}
	if err := config.SetURL(u); err != nil {
		return nil, errors.New("is not a valid telegram:// URL") // cannot happen after checkChat
	}
	var destinations []Destination
	for _, chat := range config.Chats {
		to := telegramChat{token: config.Token, message: telegramMessage{
			DisableNotification: !config.Notification, DisablePreview: !config.Preview,
		}}
		var thread string
		var err error
		if to.message.ChatID, thread, _ = strings.Cut(chat, ":"); thread != "" {
			if to.message.ThreadID, err = strconv.Atoi(thread); err != nil {
				return nil, errors.New("has a thread after a chat's colon that is not a number")
			}
		}
		destinations = append(destinations, Destination{
			name: destinationName(telegramService, config.Token+" "+chat),
			poster: func(transport http.RoundTripper) poster {
				return &telegramChat{token: to.token, message: to.message,
					client: newClient(transport)}
			},
		})
	}
	return destinations, nil
}

func (t *telegramChat) post(ctx context.Context, m message) error {
	sent := t.message
	sent.Text = m.text
	return postJSON(ctx, t.client, telegramAPI+t.token+"/sendMessage", m.id, sent)
}
