/** The development server proxies all chat requests to the local stack (`make run`), so that the page has one origin. */
const stack = process.env.CHAT_URL ?? "http://127.0.0.1:8080";

export default {
  resolve: { dedupe: ["react", "react-dom"] },
  server: { proxy: { "/chat": { target: stack, ws: true }, "/dev": { target: stack } } },
};
