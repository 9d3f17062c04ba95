/**
 * A picture's blurhash: some 28 characters that hold its colours as a few cosine waves, to show while the picture loads.
 * The algorithm: https://github.com/woltapp/blurhash/blob/master/Algorithm.md
 */

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";

/** The RGBA bytes of `size` × `size` pixels, row by row; null where `hash` is no blurhash. */
export function decode(hash, size) {
  if ([...hash].some((digit) => !DIGITS.includes(digit))) return null;
  const across = (number(hash.slice(0, 1)) % 9) + 1;
  const down = Math.floor(number(hash.slice(0, 1)) / 9) + 1;
  if (hash.length !== 4 + 2 * across * down) return null;
  const waves = coefficients(hash);
  const pixels = new Uint8ClampedArray(size * size * 4).fill(255);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const sum = [0, 0, 0];
      waves.forEach((wave, place) => {
        const height = Math.cos((Math.PI * x * (place % across)) / size) * Math.cos((Math.PI * y * Math.floor(place / across)) / size);
        wave.forEach((value, channel) => (sum[channel] += value * height));
      });
      pixels.set(sum.map(toByte), (y * size + x) * 4);
    }
  }
  return pixels;
}

/** [red, green, blue] of each wave, in linear light; the first is the mean colour. */
function coefficients(hash) {
  const mean = number(hash.slice(2, 6));
  const waves = [[mean >> 16, (mean >> 8) & 255, mean & 255].map(toLinear)];
  const strongest = (number(hash.slice(1, 2)) + 1) / 166;
  for (let at = 6; at < hash.length; at += 2) {
    const value = number(hash.slice(at, at + 2));
    waves.push([Math.floor(value / 361), Math.floor(value / 19) % 19, value % 19].map((step) => square((step - 9) / 9) * strongest));
  }
  return waves;
}

/** A number of base 83. */
function number(text) {
  return [...text].reduce((value, digit) => value * 83 + DIGITS.indexOf(digit), 0);
}

/** The square, with the sign kept. */
function square(value) {
  return Math.sign(value) * value * value;
}

/** Linear light of an sRGB byte. */
function toLinear(byte) {
  const value = byte / 255;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

/** The sRGB byte of linear light. */
function toByte(light) {
  const value = Math.min(1, Math.max(0, light));
  return Math.round(255 * (value <= 0.0031308 ? value * 12.92 : 1.055 * value ** (1 / 2.4) - 0.055));
}
