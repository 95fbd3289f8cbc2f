// Every screen: accessible in both themes, no wider than a phone, whole in its first HTML.
import { AxeBuilder } from '@axe-core/playwright'
import { type APIRequestContext, type Page } from '@playwright/test'
import { claim, expect, open, test } from './console'

async function screens(request: APIRequestContext): Promise<Record<string, string>> {
  const { database } = await claim(request)
  return {
    'fleet health': '/',
    databases: '/databases?state=claimed&sort=size',
    'no databases': '/databases?text=nobody-has-this-name',
    'one database': `/databases/${database.id}`,
    pools: '/pools',
    'one pool': '/pools/standard?range=day',
    'a policy': '/pools/standard/policy',
    problems: '/problems',
    'problems of one kind': '/problems?kind=orphan',
    engine: '/engine',
    'API budget': '/budget',
    'look-up': '/lookup?q=mail.example',
    'empty look-up': '/lookup?q=nobody-has-this-name',
  }
}

async function violations(page: Page) {
  // Colours that are half-way through a transition are nobody's.
  await page.evaluate(() => {
    // Others follow the scroll position, and never end.
    const timed = document.getAnimations().filter((animation) => animation.timeline === document.timeline)
    return Promise.all(timed.map((animation) => animation.finished))
  })
  const { violations } = await new AxeBuilder({ page }).analyze()
  return violations.map(({ id, nodes }) => ({ id, where: nodes.map((node) => node.target.join(' ')) }))
}

for (const colorScheme of ['light', 'dark'] as const) {
  test.describe(`in the ${colorScheme} theme`, () => {
    test.use({ colorScheme })

    test('axe finds nothing on any screen', async ({ page, request }) => {
      test.setTimeout(180_000)
      for (const [name, path] of Object.entries(await screens(request))) {
        await open(page, path)
        expect.soft(await violations(page), name).toEqual([])
      }
    })

    test('axe finds nothing in the dialogs of a database', async ({ page, request }) => {
      const { database } = await claim(request)
      await open(page, `/databases/${database.id}`)
      for (const name of ['Edit quota', 'Timeout', 'Reveal', 'Release']) {
        await page.getByRole('button', { name, exact: true }).click()
        await expect(page.getByRole('dialog')).toBeVisible()
        expect.soft(await violations(page), name).toEqual([])
        await page.keyboard.press('Escape')
        await expect(page.getByRole('dialog')).toBeHidden()
      }
    })
  })
}

test.describe('on a phone', () => {
  test.use({ viewport: { width: 390, height: 844 } })

  test('no screen is wider than the window', async ({ page, request }) => {
    test.setTimeout(120_000)
    for (const [name, path] of Object.entries(await screens(request))) {
      await open(page, path)
      expect.soft(await page.evaluate(() => document.documentElement.scrollWidth), name).toBeLessThanOrEqual(390)
    }
  })

  test('no text is cut, and no table has to be scrolled', async ({ page, request }) => {
    test.setTimeout(120_000)
    for (const [name, path] of Object.entries(await screens(request))) {
      await open(page, path)
      // What stands in closed details is not seen, and what is for screen readers alone is one pixel wide.
      const cut = await page.locator('main *').evaluateAll((elements) =>
        elements
          .filter((element) => element.clientWidth > 1 && element.scrollWidth > element.clientWidth + 1 && !element.closest('details'))
          .filter((element) => getComputedStyle(element).overflowX !== 'visible')
          .map((element) => element.getAttribute('aria-label') ?? element.textContent),
      )
      expect.soft(cut, name).toEqual([])
    }
  })

  test('the menu leads to every screen', async ({ page }) => {
    await open(page, '/')
    await page.getByLabel('Menu').click()
    await page.getByRole('link', { name: 'Pools' }).filter({ visible: true }).click()
    await expect(page.getByRole('heading', { level: 1, name: 'Pools' })).toBeVisible()
  })
})

test.describe('on a desk', () => {
  test('the filters stand in one line', async ({ page }) => {
    await open(page, '/databases')
    const fields = page.getByRole('form', { name: 'Filters' }).locator('select, input[type=search], input[type=date]')
    const bottoms = await fields.evaluateAll((elements) => elements.map((element) => Math.round(element.getBoundingClientRect().bottom)))
    expect(bottoms).toHaveLength(6)
    expect(new Set(bottoms).size).toBe(1)
  })

  test('events have room beside the numbers', async ({ page }) => {
    await open(page, '/')
    const events = await page.getByRole('region', { name: 'Latest events' }).boundingBox()
    expect(events?.width).toBeGreaterThan(420)
  })
})

test('hydration moves nothing', async ({ page, request }) => {
  test.setTimeout(120_000)
  await page.addInitScript(() => {
    Object.assign(window, { moved: 0 })
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) (window as unknown as { moved: number }).moved += (entry as unknown as { value: number }).value
    }).observe({ type: 'layout-shift', buffered: true })
  })
  for (const [name, path] of Object.entries(await screens(request))) {
    await open(page, path)
    expect.soft(await page.evaluate(() => (window as unknown as { moved: number }).moved), name).toBeLessThan(0.02)
  }
})

test.describe('where there is nothing', () => {
  test.use({ expectedComplaints: [/status of 404/] })

  test('a page that does not exist says so, with the status', async ({ page }) => {
    for (const path of ['/no-such-page', '/databases/00000000-0000-7000-8000-000000000000', '/pools/nowhere']) {
      const answer = await page.goto(path)
      expect(answer?.status(), path).toBe(404)
      await expect(page.getByRole('heading', { name: 'Not found' })).toBeVisible()
    }
  })
})
