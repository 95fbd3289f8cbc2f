// Pages that few open are parts of the WebAssembly of their own.
import { expect, hydrated, open, test } from './console'

test('the API budget is loaded when it is opened, by a link and by its address', async ({ page }) => {
  const parts: string[] = []
  page.on('request', (request) => {
    if (request.url().includes('/pkg/split')) parts.push(request.url())
  })
  await open(page, '/')
  expect(parts, 'another page needs no part').toEqual([])

  await page.getByRole('link', { name: 'API budget' }).filter({ visible: true }).first().click()
  await expect(page.getByRole('heading', { level: 1, name: 'API budget' })).toBeVisible()
  expect(parts).toHaveLength(1)

  await page.reload()
  await hydrated(page)
  expect(parts).toHaveLength(2)
  // Answered by the WebAssembly, not by a new page.
  await page.evaluate(() => Object.assign(window, { sameDocument: true }))
  const range = page.getByRole('navigation', { name: 'How far back' })
  await range.getByRole('link').nth(1).click()
  await expect(range.getByRole('link').nth(1)).toHaveAttribute('aria-current', 'true')
  expect(await page.evaluate(() => 'sameDocument' in window)).toBe(true)
})

test.describe('of a version that is gone', () => {
  // The browser tells that the part is missing, and the page that it cannot go on.
  test.use({ expectedComplaints: [/./] })

  test('a page that misses its part loads itself anew, and goes on', async ({ page }) => {
    await open(page, '/')
    await page.waitForFunction(() => performance.now() > 10_000)
    await page.route('**/pkg/split*', (route) => route.fulfill({ status: 404 }), { times: 1 })
    const link = page.getByRole('link', { name: 'API budget' }).filter({ visible: true }).first()
    const again = page.waitForEvent('load')
    await link.click()
    await again
    await hydrated(page)
    await link.click()
    await expect(page.getByRole('heading', { level: 1, name: 'API budget' })).toBeVisible()
  })
})
